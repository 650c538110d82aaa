"""What more comes than can be done, for longer than a moment."""

import asyncio
from itertools import pairwise
from typing import Final

import pytest

from chassis.admission import (
    BEGUN,
    BUSY,
    CALM_S,
    FEW,
    GROWS_S,
    LEAST,
    LEAST_RATIO,
    QUEUE,
    REFUSED_A_LOOK,
    RESERVE,
    RUSH_LOOKS,
    STANDS_S,
    TICK_S,
    WANTED,
    Admission,
)
from chassis.errors import Overloaded
from chassis.testing.admission import LATE, Clock, busy, come_and_go, overloaded, settled, wait_for_a_place

REFUSING_S: Final = QUEUE / REFUSED_A_LOOK * TICK_S
"""In which all who wait are refused."""


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


async def test_in_a_rush_a_limit_that_is_too_high_is_halved_at_each_look(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await rush(clock, made)
    made.limit = 100
    await busy(made, 100 - made.in_progress)
    clock.pass_(TICK_S, made, LATE)
    assert made.limit == 50
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
    assert made.overloaded
    clock.pass_(REFUSING_S, made, LATE)
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


async def test_those_who_wait_in_an_overload_are_refused_a_few_at_each_look_and_none_is_admitted(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(QUEUE)]
    clock.pass_(STANDS_S - TICK_S, made, LATE)
    refused = [0]
    while refused[-1] < QUEUE:
        clock.pass_(TICK_S, made, LATE)
        if made.overloaded and made.in_progress == LEAST:
            made.leave()
        await asyncio.sleep(0)
        refused.append(sum([task.done() for task in waiting]))
    assert max(after - before for before, after in pairwise(refused)) == REFUSED_A_LOOK
    assert not any([await settled(task) for task in waiting])


async def test_a_rush_that_goes_on_tells_overload_sooner(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = [await wait_for_a_place(made) for _ in range(4)]
    for _ in range(RUSH_LOOKS + 10):
        waiting += [await wait_for_a_place(made) for _ in range(4)]
        clock.pass_(TICK_S, made, LATE)
    assert made.overloaded
    made.leave()
    clock.pass_(REFUSING_S, made, LATE)
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


async def test_a_pause_of_the_loop_is_no_calm(clock: Clock) -> None:
    made = await overloaded(clock)
    await stampede(clock, made)
    assert made.overloaded
    made.leave()
    for _ in range(5):
        clock.now += CALM_S
        made.look(CALM_S - TICK_S, clock.now)
    assert made.overloaded


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
