"""Refusing what would only wait: a process that has more to do than it can answers some well, and the rest at once.

What is in progress is limited by how late the event loop is, and how busy: what waits for a database makes it neither,
and the limit follows it. Who exceeds the limit waits in order, as long as the wait is short; where it would be long,
the newest goes first, so that of too many some are still answered in time; in a rush that is who comes next. When the
wait has been long for some seconds (as in controlled delay, RFC 8289: not that there is a queue tells overload, but
that it stands), nobody waits any more. So all of a burst is worked off; of a load that stays, who is admitted gets
through.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import cache
from typing import Final

from prometheus_client import Counter, Gauge

from chassis.errors import Overloaded

log = logging.getLogger(__name__)

TICK_S: Final = 0.01
REST_S: Final = 0.1
"""Between looks while nothing is in progress: a process at rest is to cost nothing."""
LATE_S: Final = 0.005
"""A loop that is later than this has more to do than it can, unless it is idle: then the machine has."""
IDLE: Final = 0.5
"""A loop that works or waits for a processor for less than this share of the time is idle."""
LATE_LOOKS: Final = 3
"""Looks in a row at which it must have been late: the machine pauses now and then."""
BUSY: Final = 0.9
"""A loop that works or waits for a processor for more than this share of the time has no more to give."""
SPARE: Final = 0.8
"""One that does so for less may begin more at once."""
RESERVE: Final = 0.15
"""So much more of its time a loop leaves free in a rush or overload: refusing needs time of the machine as well."""
_BUSY_S: Final = 0.1
"""Over how long that share is taken."""
GROWS_S: Final = 0.2
"""How often the limit may grow while a process is overloaded: there is always somebody to take what it tries out."""
MOST: Final = 1_024
LEAST: Final = 2
FIRST: Final = 8
"""The limit to begin with. It grows when it is needed and the loop on time: what was never tried is not allowed."""
UNUSED_S: Final = 1.0
"""What is not needed for so long is not allowed any more either."""
QUEUE: Final = 256
"""How many wait at most."""
SHORT_S: Final = 0.5
"""A wait that anybody puts up with."""
FEW: Final = 32
MANY: Final = 64
"""So few may wait for longer, and more than so many are too many though they would not: they stand for a stampede."""
RUSH: Final = 2.0
"""When more than so many times as many come as are done, that is a stampede though it has only begun."""
WANTED: Final = 1.5
"""For each that is done, so many are to come: places are to be taken as they come free, and refusing has its price."""
LEAST_RATIO: Final = 0.1
"""Of those who come, so many are wanted whatever is done: who asks for nobody never learns that it has become calm."""
BEGUN: Final = 8
"""As soon as more than so many wait."""
STANDS_S: Final = 3.0
"""How long a place may be waited for; and when too many waited in all that time, the process is overloaded."""
REFUSED_A_LOOK: Final = 16
"""So many of those who wait are refused at once at most: whoever is admitted waits meanwhile."""
RUSH_LOOKS: Final = 100
"""When so many looks find a rush, and that somebody came since the last, it is an overload: a burst is over by then."""
CALM_S: Final = 2.0
"""When there were places free for so long, it is not any more: longer than whoever refuses for it goes on doing so."""
_DOWN: Final = 0.8
_DOWN_IN_RUSH: Final = 0.5
_UP: Final = 1.05
_USED: Final = 0.5
"""The part of the limit that must be in progress for the limit to grow (as a congestion window, RFC 7661)."""
_LONGEST_S: Final = 1.0
"""Seconds that a look tells of at most."""
_PACE_S: Final = 0.2
"""Over how long it is counted what comes and what is done."""


class _Metrics:
    """Told by what admits, and by no process that only knows how."""

    def __init__(self) -> None:
        self.limit = Gauge("admission_limit_requests", "How many requests or calls a process works on at once")
        self.waiting = Gauge("admission_waiting_requests", "Requests or calls that wait until a process works on less")
        self.refusals = Counter(
            "admission_refusals_total", "Requests or calls that were refused: there is more to do than can be done"
        )
        self.late = Gauge(
            "event_loop_late_seconds", "How late the event loop of a process was when it was last looked at"
        )


_metrics = cache(_Metrics)


class Admission:
    """Decides what a process begins, and when; `clock` tells seconds that only go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told = _metrics()
        self.limit = FIRST
        self.in_progress = 0
        self._peak = 0
        self._late_looks = 0
        self._grows_at = 0.0
        """From when on the limit may grow."""
        self._used_at = 0.0
        """When so much of the limit was in progress last that it might have grown."""
        self._waiting: deque[tuple[float, asyncio.Future[bool]]] = deque()
        """Since when, and who is told whether it may begin; the newest at the right."""
        self._left = 0
        """Since the last look."""
        self._looked_at = 0.0
        self._busy = 0.0
        self._pace = 0.0
        """How many places come free in a second."""
        self._came = 0
        """Since the last look."""
        self._arrivals = 0.0
        """How many come in a second."""
        self._refused = 0
        """Since it was told last."""
        self.overloaded = False
        self._rush_looks = 0
        self._changing_s = 0.0
        """For how long every look has found the contrary: no place that is free soon, or places free."""

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Count as in progress meanwhile, as soon as there is a place.

        Raises:
            Overloaded: there is none.
        """
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    @property
    def refuses(self) -> bool:
        """Whether who comes now is refused."""
        return self.in_progress >= self.limit and (self.overloaded or len(self._waiting) >= QUEUE)

    @property
    def ratio(self) -> float:
        """How many of those who come should come: 1 for all; more where there could be."""
        return max(LEAST_RATIO, WANTED * self._pace / self._arrivals) if self._arrivals else 1.0

    async def enter(self) -> None:
        """Take a place.

        Raises:
            Overloaded: there is none.
        """
        self._came += 1
        if self.in_progress < self.limit:
            self._begin()
            return
        if not self.refuses:
            told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            self._waiting.append((self._clock(), told))
            try:
                admitted = await told
            except asyncio.CancelledError:
                if told.done() and not told.cancelled() and told.result():  # in the very moment of its admission
                    self.leave()
                raise
            if admitted:
                return
        self._count_refusal()
        raise Overloaded("there is more to do than can be done")

    def refuse(self) -> None:
        """Count somebody who was refused, without having entered."""
        self._came += 1
        self._count_refusal()

    def pause(self) -> None:
        """Let others have the place from the next look on, while this waits for somebody outside."""
        self.in_progress -= 1

    def resume(self) -> None:
        """Go on after a pause, place or not: to give up what was begun would be to have done it for nothing."""
        self._begin()

    def leave(self) -> None:
        """Give the place up."""
        self.in_progress -= 1
        self._left += 1
        if not self._rush:
            self._admit()

    def look(self, late_s: float, now: float, busy: float | None = None) -> None:
        """Set the limit by how late and busy the loop is, admit whom there is a place for, refuse who waits too long.

        `busy` is the share of the time since the last look in which the loop worked or waited for a processor; None
        where the system does not tell.
        """
        elapsed = min(now - self._looked_at, _LONGEST_S)
        self._set_limit(late_s, now, elapsed, busy)
        somebody_came = self._came > 0
        if elapsed > 0:
            weight = min(1.0, elapsed / _PACE_S)
            self._pace += (self._left / elapsed - self._pace) * weight
            self._arrivals += (self._came / elapsed - self._arrivals) * weight
            self._left, self._came, self._looked_at = 0, 0, now
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
        self._admit()
        self._set_overloaded(late_s, elapsed, somebody_came)
        self._refuse_late(now)
        self._told.limit.set(self.limit)
        self._told.waiting.set(len(self._waiting))
        self._told.late.set(late_s)

    def _set_limit(self, late_s: float, now: float, elapsed: float, busy: float | None) -> None:
        self._busy += ((busy or 0.0) - self._busy) * min(1.0, elapsed / _BUSY_S)
        late = late_s > LATE_S and (busy is None or self._busy > IDLE)
        busy_for = self._busy + (RESERVE if self.overloaded or self._rush else 0.0)
        self._late_looks = self._late_looks + 1 if late or busy_for > BUSY else 0
        if self._peak >= self.limit * _USED:
            self._used_at = now
        if self._late_looks >= LATE_LOOKS:
            self.limit = max(LEAST, int(min(self.limit, self._peak) * (_DOWN_IN_RUSH if self._rush else _DOWN)))
        elif not self._late_looks and busy_for < SPARE and self._used_at == now >= self._grows_at:
            self.limit = min(MOST, int(self.limit * _UP) + 1)
            self._grows_at = now + (GROWS_S if self.overloaded else 0.0)
        elif now - self._used_at >= UNUSED_S and self.limit > FIRST:
            self.limit -= 1
        self._peak = self.in_progress

    def _set_overloaded(self, late_s: float, elapsed: float, somebody_came: bool) -> None:
        full = self.in_progress >= self.limit if self.overloaded else self._too_many()
        # Two looks with a pause of the loop between them have not seen that it was calm meanwhile.
        self._changing_s = 0.0 if full is self.overloaded else self._changing_s + elapsed - (0.0 if full else late_s)
        if self.overloaded or not self._rush:
            self._rush_looks = 0
        elif somebody_came:
            self._rush_looks += 1
        if self._changing_s >= (STANDS_S if full else CALM_S) or self._rush_looks >= RUSH_LOOKS:
            self.overloaded, self._changing_s = full, 0.0

    def _refuse_late(self, now: float) -> None:
        """Refuse who has waited too long."""
        patience_s = 0.0 if self.overloaded else STANDS_S
        refused = 0
        while self._waiting and (self._waiting[0][1].done() or now - self._waiting[0][0] >= patience_s):
            if refused == REFUSED_A_LOOK:
                return
            _, told = self._waiting.popleft()
            if not told.done():
                told.set_result(False)
                refused += 1

    async def watch(self) -> None:
        """Look at the loop until cancelled, and tell once a second who was refused: lines of their own are too much."""
        tell_at = 0.0
        with closing(_Processor()) as processor:
            while True:
                pause_s = TICK_S if self.in_progress or self._waiting else REST_S
                slept = self._clock()
                await asyncio.sleep(pause_s)
                now = self._clock()
                self.look(max(0.0, now - slept - pause_s), now, processor.share(max(pause_s, now - slept)))
                if self._refused and now >= tell_at:
                    log.warning(
                        "there is more to do than can be done", extra={"refused": self._refused, "limit": self.limit}
                    )
                    self._refused, tell_at = 0, now + 1

    def _count_refusal(self) -> None:
        self._told.refusals.inc()
        self._refused += 1

    def _begin(self) -> None:
        self.in_progress += 1
        self._peak = max(self._peak, self.in_progress)

    def _too_many(self) -> bool:
        """Say whether more wait than can be served shortly, at the pace there is."""
        return self._rush or len(self._waiting) > min(max(FEW, self._pace * SHORT_S), MANY)

    @property
    def _rush(self) -> bool:
        """Whether a place that comes free is taken before the next look: who comes then has not waited."""
        return len(self._waiting) > BEGUN and self._arrivals > RUSH * self._pace

    def _admit(self) -> None:
        while self._waiting and self.in_progress < self.limit and not self.overloaded:
            _, told = self._waiting.pop() if self._too_many() else self._waiting.popleft()
            if not told.done():  # nobody cancelled it
                self._begin()
                told.set_result(True)


class _Processor:
    """For how much of its time the thread that makes this has a processor or wants one.

    Of its scheduler's statistics (Linux, Documentation/scheduler/sched-stats.rst) the first is the time on a processor,
    the second the time of waiting for one, in nanoseconds.
    """

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._file = None
        self._wanted_s = 0.0 if self._file is None else _wanted_s(self._file)

    def share(self, elapsed_s: float) -> float | None:
        """Give the share since this was asked last, `elapsed_s` ago; None where the system does not tell."""
        if self._file is None:
            return None
        before_s, self._wanted_s = self._wanted_s, _wanted_s(self._file)
        return (self._wanted_s - before_s) / elapsed_s

    def close(self) -> None:
        """Be asked no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _wanted_s(file: int) -> float:
    had, waited, *_ = os.pread(file, 128, 0).split()
    return (int(had) + int(waited)) / 1e9
