"""What a process begins, and when; the clock and the lateness of the loop are given, so nothing here takes time."""

import asyncio
import contextlib

import pytest

from chassis import admission
from chassis.admission import CALM_S, LATE_LOOKS, LATE_S, LEAST, MOST, STANDS_S, TICK_S, Admission
from chassis.errors import Overloaded

LATE = 2 * LATE_S


class Clock:
    """Looks at the loop again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(admission.time, "monotonic", lambda: self.now)

    def pass_(self, seconds: float, of: Admission, late_s: float = 0.0) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            of.look(late_s, self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def busy(of: Admission, places: int) -> None:
    for _ in range(places):
        await of.enter()


async def wait_for_a_place(of: Admission) -> "asyncio.Task[None]":
    waiting = asyncio.create_task(of.enter())
    await asyncio.sleep(0)
    return waiting


async def overloaded(clock: Clock) -> Admission:
    """Make one with as many in progress as it allows, while the loop is late."""
    made = Admission()
    await busy(made, LEAST)
    clock.pass_(1.0, made, LATE)
    assert made.limit == LEAST
    return made


async def settled(task: "asyncio.Task[None]") -> bool:
    """Say whether who waited was admitted."""
    async with asyncio.timeout(60):
        try:
            await task
        except Overloaded:
            return False
    return True


async def test_where_the_loop_is_on_time_all_are_admitted_however_long_they_take(clock: Clock) -> None:
    made = Admission()
    await busy(made, 500)
    clock.pass_(30, made)
    await busy(made, MOST - 500)
    assert made.in_progress == MOST


async def test_a_pause_of_the_machine_changes_nothing(clock: Clock) -> None:
    made = Admission()
    await busy(made, 20)
    made.look(10 * LATE, clock.now)
    clock.pass_(TICK_S, made)
    assert made.limit == MOST


async def test_a_loop_that_stays_late_works_on_less_at_once_down_to_a_least(clock: Clock) -> None:
    made = Admission()
    await busy(made, 100)
    clock.pass_(LATE_LOOKS * TICK_S, made, LATE)
    assert made.limit == 80
    clock.pass_(0.2, made, LATE)
    assert made.limit == LEAST


async def test_a_burst_is_worked_off_and_nobody_of_it_refused(clock: Clock) -> None:
    made = await overloaded(clock)
    burst = [await wait_for_a_place(made) for _ in range(200)]
    served = 0
    while served < 200:  # one each four milliseconds, which takes 0.8 seconds
        made.leave()
        served += 1
        clock.now += 0.004
        if served % 5 == 0:
            made.look(LATE, clock.now)
    assert all([await settled(task) for task in burst])


async def test_of_those_who_wait_the_newest_goes_first(clock: Clock) -> None:
    made = await overloaded(clock)
    older, newer = await wait_for_a_place(made), await wait_for_a_place(made)
    made.leave()
    assert await settled(newer)
    assert not older.done()
    made.leave()
    assert await settled(older)


async def test_where_no_place_was_free_for_a_while_nobody_waits_any_more_until_there_is(clock: Clock) -> None:
    made = await overloaded(clock)
    early = await wait_for_a_place(made)
    clock.pass_(STANDS_S / 2, made, LATE)
    late = await wait_for_a_place(made)
    clock.pass_(STANDS_S / 2 + TICK_S, made, LATE)
    assert [await settled(task) for task in (early, late)] == [False, False]
    assert made.refuses
    with pytest.raises(Overloaded):
        await made.enter()
    made.leave()
    assert not made.refuses
    await made.enter()  # into the place that has come free
    clock.pass_(10, made, LATE)
    assert made.refuses
    made.leave()
    clock.pass_(CALM_S + 2 * TICK_S, made, LATE)
    await made.enter()
    waits = await wait_for_a_place(made)
    made.leave()
    assert await settled(waits)


async def test_after_an_overload_as_much_as_before_is_worked_on_within_two_seconds(clock: Clock) -> None:
    made = await overloaded(clock)
    clock.pass_(2, made)
    assert made.limit == MOST
    await busy(made, 500)


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
