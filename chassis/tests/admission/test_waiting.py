"""Who waits for a place, and in which order they get one."""

import asyncio
import contextlib

import pytest

from chassis.admission import FEW, LEAST, MANY, QUEUE, STANDS_S
from chassis.errors import Overloaded
from chassis.testing.admission import RUSH_PASSES_S, Clock, come_and_go, overloaded, settled, wait_for_a_place


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
