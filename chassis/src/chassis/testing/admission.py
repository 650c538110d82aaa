"""What a process begins, and when: the clock and the lateness of the loop are given, so nothing here takes time."""

import asyncio
from typing import Final

from chassis.admission import LATE_S, LEAST, TICK_S, Admission
from chassis.errors import Overloaded

LATE: Final = 2 * LATE_S
RUSH_PASSES_S: Final = 0.5
"""In which it is forgotten that many came at once."""


class Clock:
    """Looks at the loop again and again."""

    def __init__(self) -> None:
        self.now = self._looked_at = 1_000.0

    def admission(self) -> Admission:
        """Make one that goes by this clock."""
        return Admission(lambda: self.now)

    def pass_(self, seconds: float, of: Admission, late_s: float = 0.0) -> None:
        """Let time pass, the loop being so late."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            of.look(late_s, self.now)
        self._looked_at = self.now

    def end(self, number: int, of: Admission, pause_s: float) -> None:
        """End one request after the other, the loop being late all the time."""
        for _ in range(number):
            self.now += pause_s
            of.leave()
            while self._looked_at + TICK_S <= self.now:
                self._looked_at += TICK_S
                of.look(LATE, self._looked_at)


async def busy(of: Admission, places: int) -> None:
    """Have so many more in progress."""
    for _ in range(places):
        await of.enter()


async def grown(clock: Clock, to: int) -> Admission:
    """Make one that has as many in progress, and has seen that this makes no loop late."""
    made = clock.admission()
    while made.in_progress < to:
        await busy(made, min(made.limit, to) - made.in_progress)
        clock.pass_(TICK_S, made)
    return made


async def wait_for_a_place(of: Admission) -> "asyncio.Task[None]":
    """Have somebody come."""
    waiting = asyncio.create_task(of.enter())
    await asyncio.sleep(0)
    return waiting


async def overloaded(clock: Clock) -> Admission:
    """Make one with as many in progress as it allows, while the loop is late."""
    made = clock.admission()
    await busy(made, LEAST)
    clock.pass_(0.2, made, LATE)
    assert made.limit == LEAST
    return made


async def come_and_go(of: Admission, clock: Clock, number: int, pause_s: float = 0.01) -> None:
    """Have one after the other wait for the place of one before."""
    for _ in range(number):
        waiting = await wait_for_a_place(of)
        clock.end(1, of, pause_s)
        assert await settled(waiting)


async def settled(task: "asyncio.Task[None]") -> bool:
    """Say whether who waited was admitted."""
    async with asyncio.timeout(60):
        try:
            await task
        except Overloaded:
            return False
    return True
