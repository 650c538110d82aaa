"""On how much a process works at once."""

from chassis.admission import FIRST, LATE_LOOKS, LEAST, MOST, QUEUE, TICK_S, UNUSED_S
from chassis.testing.admission import LATE, Clock, busy, grown, overloaded, settled, wait_for_a_place


async def test_where_the_loop_is_on_time_all_are_admitted_however_long_they_take(clock: Clock) -> None:
    made = await grown(clock, 500)
    clock.pass_(30, made)
    assert (await grown(clock, MOST)).in_progress == MOST


async def test_a_limit_that_nobody_needs_does_not_grow(clock: Clock) -> None:
    made = clock.admission()
    await busy(made, FIRST // 4)
    clock.pass_(30, made)
    assert made.limit == FIRST


async def test_what_was_not_needed_for_a_second_is_not_allowed_any_more(clock: Clock) -> None:
    made = await grown(clock, 100)
    for _ in range(97):
        made.leave()
    clock.pass_(UNUSED_S, made)
    assert made.limit >= 100
    clock.pass_(1.5, made)
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


async def test_a_pause_lets_others_in_and_ends_without_waiting(clock: Clock) -> None:
    made = await overloaded(clock)
    waiting = await wait_for_a_place(made)
    made.pause()
    clock.pass_(TICK_S, made, LATE)
    assert await settled(waiting)
    made.resume()
    assert made.in_progress == LEAST + 1
