"""What a process begins, and when; the clock and the lateness of the loop are given, so nothing here takes time."""

import asyncio
import contextlib

import pytest

from chassis.admission import (
    BEGUN,
    BUSY,
    CALM_S,
    FEW,
    FIRST,
    GROWS_S,
    LATE_LOOKS,
    LATE_S,
    LEAST,
    LEAST_RATIO,
    MANY,
    MOST,
    QUEUE,
    RESERVE,
    RUSH_LOOKS,
    STANDS_S,
    TICK_S,
    WANTED,
    Admission,
)
from chassis.errors import Overloaded

LATE = 2 * LATE_S
RUSH_PASSES_S = 0.5
"""In which it is forgotten that many came at once."""


class Clock:
    """Looks at the loop again and again."""

    def __init__(self) -> None:
        self.now = self._looked_at = 1_000.0

    def admission(self) -> Admission:
        return Admission(lambda: self.now)

    def pass_(self, seconds: float, of: Admission, late_s: float = 0.0) -> None:
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


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def busy(of: Admission, places: int) -> None:
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


async def test_where_the_loop_is_on_time_all_are_admitted_however_long_they_take(clock: Clock) -> None:
    made = await grown(clock, 500)
    clock.pass_(30, made)
    assert (await grown(clock, MOST)).in_progress == MOST


async def test_a_limit_that_nobody_needs_does_not_grow(clock: Clock) -> None:
    made = clock.admission()
    await busy(made, FIRST // 4)
    clock.pass_(30, made)
    assert made.limit == FIRST


async def test_who_exceeds_a_limit_that_may_grow_waits_until_it_has_grown(clock: Clock) -> None:
    made = clock.admission()
    await busy(made, FIRST)
    waiting = [await wait_for_a_place(made) for _ in range(QUEUE)]
    clock.pass_(1, made)
    assert all([await settled(task) for task in waiting])
    assert made.in_progress == FIRST + QUEUE


async def test_a_loop_that_has_no_time_to_spare_works_on_less_though_it_is_on_time(clock: Clock) -> None:
    made = await grown(clock, 100)
    for _ in range(100):
        clock.now += TICK_S
        made.look(0.0, clock.now, busy=0.97)
    assert made.limit == LEAST


async def test_a_loop_that_is_late_though_it_is_idle_works_on_as_much_as_before(clock: Clock) -> None:
    """A neighbour on the machine makes it late, or a thread that holds the interpreter: less work would not help."""
    made = await grown(clock, 100)
    await busy(made, made.limit - made.in_progress)
    waits = await wait_for_a_place(made)
    for _ in range(100):
        clock.now += TICK_S
        made.look(LATE, clock.now, busy=0.3)
    assert await settled(waits)
    assert made.limit > 100


async def test_a_loop_that_is_late_and_not_idle_works_on_less(clock: Clock) -> None:
    made = await grown(clock, 100)
    for _ in range(100):
        clock.now += TICK_S
        made.look(LATE, clock.now, busy=0.7)
    assert made.limit == LEAST


async def test_a_pause_of_the_loop_is_no_calm(clock: Clock) -> None:
    made = await overloaded(clock)
    await stampede(clock, made)
    assert made.overloaded
    made.leave()
    for _ in range(5):
        clock.now += CALM_S
        made.look(CALM_S - TICK_S, clock.now)
    assert made.overloaded


async def test_a_pause_of_the_machine_changes_nothing(clock: Clock) -> None:
    made = clock.admission()
    await busy(made, FIRST // 4)
    made.look(10 * LATE, clock.now)
    clock.pass_(TICK_S, made)
    assert made.limit == FIRST


async def test_a_loop_that_stays_late_works_on_less_at_once_down_to_a_least(clock: Clock) -> None:
    made = await grown(clock, 100)
    clock.pass_(LATE_LOOKS * TICK_S, made, LATE)
    assert made.limit == 80
    clock.pass_(0.2, made, LATE)
    assert made.limit == LEAST


async def test_a_burst_is_worked_off_and_nobody_of_it_refused(clock: Clock) -> None:
    made = await overloaded(clock)
    burst = [await wait_for_a_place(made) for _ in range(QUEUE)]
    clock.end(QUEUE, made, 0.9 * STANDS_S / QUEUE)
    assert all([await settled(task) for task in burst])


async def test_where_more_wait_than_may_the_next_is_refused(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(QUEUE)]
    assert made.refuses
    with pytest.raises(Overloaded):
        await made.enter()
    made.leave()
    assert not made.refuses
    for task in waiting:
        task.cancel()


async def test_who_waits_goes_in_order_where_few_wait(clock: Clock) -> None:
    made = await overloaded(clock)
    older, newer = await wait_for_a_place(made), await wait_for_a_place(made)
    made.leave()
    assert await settled(older)
    assert not newer.done()
    made.leave()
    assert await settled(newer)


async def test_who_waits_goes_in_order_where_many_wait_shortly(clock: Clock) -> None:
    made = await overloaded(clock)
    await come_and_go(made, clock, 100)
    crowd = [await wait_for_a_place(made) for _ in range(FEW + 10)]
    made.leave()
    assert await settled(crowd[0])
    assert not crowd[-1].done()
    for task in crowd:
        task.cancel()


@pytest.mark.parametrize(("pause_s", "crowd"), [(1.0, FEW + 1), (0.001, MANY + 1)])
async def test_where_too_many_wait_the_newest_goes_first(clock: Clock, pause_s: float, crowd: int) -> None:
    made = await overloaded(clock)
    await come_and_go(made, clock, 100, pause_s)
    waiting = [await wait_for_a_place(made) for _ in range(crowd)]
    made.leave()
    assert await settled(waiting[-1])
    assert not waiting[0].done()
    for task in waiting:
        task.cancel()


@pytest.mark.parametrize(("pause_s", "crowd"), [(0.05, FEW), (0.01, 48), (0.002, MANY)])
async def test_a_crowd_whose_each_asks_again_when_answered_is_no_overload_and_nobody_is_forgotten(
    clock: Clock, pause_s: float, crowd: int
) -> None:
    made = await overloaded(clock)
    await come_and_go(made, clock, 200, pause_s)
    since = {await wait_for_a_place(made): clock.now for _ in range(crowd)}
    for _ in range(round(4 * STANDS_S / pause_s)):
        clock.end(1, made, pause_s)
        await asyncio.sleep(0)
        for answered in [task for task in since if task.done()]:
            assert clock.now - since.pop(answered) < crowd * pause_s + RUSH_PASSES_S
            since[await wait_for_a_place(made)] = clock.now
    assert not made.overloaded
    assert max(clock.now - came for came in since.values()) < crowd * pause_s + RUSH_PASSES_S
    for task in since:
        task.cancel()


async def rush(clock: Clock, made: Admission) -> list["asyncio.Task[None]"]:
    """Have four times as many come as are done, for a moment."""
    await come_and_go(made, clock, 100)
    came = []
    for _ in range(20):
        came += [await wait_for_a_place(made) for _ in range(4)]
        clock.end(1, made, TICK_S)
        await asyncio.sleep(0)
    waiting = [task for task in came if not task.done()]
    assert len(waiting) > BEGUN
    return waiting


async def test_in_a_rush_a_place_that_comes_free_is_for_who_comes_next(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await rush(clock, made)
    made.leave()
    await asyncio.wait_for(made.enter(), 60)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def test_what_is_free_in_a_rush_when_it_is_looked_at_is_for_who_waits(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await rush(clock, made)
    made.leave()
    assert not any(task.done() for task in waiting)
    clock.pass_(TICK_S, made, LATE)
    assert await settled(waiting[-1])
    for task in waiting:
        task.cancel()


async def test_who_is_refused_makes_a_rush_too(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await rush(clock, made)
    for _ in range(
        RUSH_LOOKS // 2
    ):  # the one is done and four are refused, as often as it takes to forget how the others came
        for _ in range(4):
            made.refuse()
        made.leave()
        await asyncio.wait_for(made.enter(), 60)
        clock.pass_(TICK_S, made, LATE)
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def stampede(clock: Clock, made: Admission) -> list["asyncio.Task[None]"]:
    """Have too many wait for too long."""
    waiting = [await wait_for_a_place(made) for _ in range(FEW + 1)]
    clock.pass_(STANDS_S / 2, made, LATE)
    waiting += [await wait_for_a_place(made) for _ in range(FEW + 1)]
    clock.pass_(STANDS_S / 2 + 2 * TICK_S, made, LATE)
    return waiting


async def test_where_too_many_waited_for_a_while_nobody_waits_any_more_until_there_are_places(clock: Clock) -> None:
    made = await overloaded(clock)
    assert not any([await settled(task) for task in await stampede(clock, made)])
    assert made.refuses
    with pytest.raises(Overloaded):
        await made.enter()
    made.leave()
    assert not made.refuses
    await made.enter()  # into the place that has come free
    clock.pass_(10, made, LATE)
    assert made.refuses
    made.leave()
    clock.pass_(CALM_S + 2 * TICK_S, made)
    await made.enter()
    waits = await wait_for_a_place(made)
    made.leave()
    assert await settled(waits)


async def test_a_rush_that_goes_on_tells_overload_sooner(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(4)]
    for _ in range(RUSH_LOOKS + 10):
        waiting += [await wait_for_a_place(made) for _ in range(4)]
        clock.pass_(TICK_S, made, LATE)
    assert made.overloaded
    assert not any([await settled(task) for task in waiting])
    assert (RUSH_LOOKS + 10) * TICK_S < STANDS_S


async def test_a_burst_within_a_moment_does_not(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(QUEUE)]
    clock.pass_(STANDS_S - 10 * TICK_S, made, LATE)
    assert not made.overloaded
    for task in waiting:
        task.cancel()


async def test_how_many_should_come_is_half_more_than_are_done(clock: Clock) -> None:
    made = clock.admission()
    assert made.ratio == 1
    for _ in range(500):
        for _ in range(4):
            made.refuse()
        await made.enter()
        made.leave()
        clock.pass_(TICK_S, made)
    assert made.ratio == pytest.approx(WANTED / 5)
    for _ in range(500):
        made.refuse()
        clock.pass_(TICK_S, made)
    assert made.ratio == LEAST_RATIO, "who asks for nobody gets no news"


async def test_an_overloaded_process_leaves_more_of_its_time_free(clock: Clock) -> None:
    made = await overloaded(clock)
    await stampede(clock, made)
    made.limit = 100
    await busy(made, 100 - made.in_progress)
    for _ in range(100):
        clock.now += TICK_S
        made.look(0.0, clock.now, busy=BUSY - RESERVE / 2)
    assert made.overloaded
    assert made.limit == LEAST


async def test_while_a_process_is_overloaded_its_limit_grows_slowly(clock: Clock) -> None:
    made = await overloaded(clock)
    await stampede(clock, made)
    assert made.overloaded
    before = made.limit
    for _ in range(100):
        await busy(made, max(0, made.limit - made.in_progress))
        clock.pass_(TICK_S, made)
    assert made.overloaded
    assert before + 0.5 / GROWS_S <= made.limit <= before + 1 + 1 / GROWS_S


async def test_after_an_overload_as_much_as_before_is_worked_on_within_two_seconds(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(QUEUE)]
    clock.pass_(2, made)
    assert all([await settled(task) for task in waiting])
    assert made.in_progress == LEAST + QUEUE


async def test_who_goes_away_while_waiting_takes_no_place(clock: Clock) -> None:
    made = await overloaded(clock)
    gone, stays = await wait_for_a_place(made), await wait_for_a_place(made)
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    made.leave()
    assert await settled(stays)
    made.leave()
    assert made.in_progress == LEAST - 1


async def test_who_goes_away_in_the_moment_of_admission_gives_the_place_back(clock: Clock) -> None:
    made = await overloaded(clock)
    gone = await wait_for_a_place(made)
    made.leave()
    gone.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await gone
    assert made.in_progress == LEAST - 1


async def test_a_pause_lets_others_in_and_ends_without_waiting(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await wait_for_a_place(made)
    made.pause()
    clock.pass_(TICK_S, made, LATE)
    assert await settled(waiting)
    made.resume()
    assert made.in_progress == LEAST + 1
