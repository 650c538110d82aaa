"""When periodic jobs run: each due time once, however many schedulers there are and whatever the clocks do."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from probe.processes import Effects
from probe.tables import job_tables

from chassis.database import statement
from chassis.house import House
from chassis.jobs.declaration import Jobs
from chassis.jobs.runs import RunStore
from chassis.jobs.schedule import Schedule
from chassis.jobs.scheduler import FIRST_SEEN, Scheduler
from chassis.jobs.work import Work
from chassis.testing.jobs import JobRunner

_TAKE = statement(
    sa.delete(job_tables.outbox).returning(job_tables.outbox.c.position, job_tables.outbox.c.payload), "DELETE outbox"
)

BERLIN = ZoneInfo("Europe/Berlin")
SPRING = datetime(2026, 3, 29, tzinfo=BERLIN)  # 02:00 becomes 03:00
AUTUMN = datetime(2026, 10, 25, tzinfo=BERLIN)  # 03:00 becomes 02:00


async def nothing(work: Work[Any]) -> None: ...


def scheduler(house: House[Any], **schedule: Any) -> Scheduler:
    jobs = Jobs[Any]()
    jobs.periodic("probe.tick", **schedule)(nothing)
    return Scheduler(jobs, RunStore(job_tables), house)


async def take(house: House[Any]) -> list[datetime]:
    """Give the due times of the runs that were put, and have them handled."""
    async with house.database.connection() as connection:
        rows = await connection.all(_TAKE)
    return [datetime.fromisoformat(row.payload["due_at"]) for row in sorted(rows)]


async def look(house: House[Any], one: Scheduler, moments: Iterable[datetime]) -> list[datetime]:
    """Give what a scheduler that looks at these moments puts."""
    put = []
    for moment in moments:
        await one.look(moment)
        put += await take(house)
    return put


def local(moments: list[datetime]) -> list[str]:
    return [moment.astimezone(BERLIN).strftime("%d. %H:%M%z") for moment in moments]


async def run_over(
    house: House[Any], day: datetime, step: timedelta = timedelta(minutes=7), **schedule: Any
) -> list[datetime]:
    """Give what two schedulers put from noon of the day before to noon of the day after."""
    pair = [scheduler(house, timezone="Europe/Berlin", **schedule) for _ in range(2)]
    now, end = (day + timedelta(hours=hours) for hours in (-12, 36))
    now, end = now.astimezone(UTC), end.astimezone(UTC)
    put = []
    while now < end:
        # Two clocks, and two looks at once.
        await asyncio.gather(pair[0].look(now), pair[1].look(now + timedelta(seconds=3)))
        put += await take(house)
        now += step
    return put


async def test_a_fixed_time_in_the_hour_that_is_skipped_runs_once_right_after_it(house: House[Any]) -> None:
    assert local(await run_over(house, SPRING, cron="30 2 * * *")) == ["29. 03:00+0200", "30. 02:30+0200"]


async def test_a_fixed_time_in_the_hour_that_comes_twice_runs_once(house: House[Any]) -> None:
    assert local(await run_over(house, AUTUMN, cron="30 2 * * *")) == ["25. 02:30+0200", "26. 02:30+0100"]


@pytest.mark.parametrize(("day", "count"), [(SPRING, 93), (AUTUMN, 97)])
async def test_what_runs_each_half_hour_runs_each_half_hour_that_there_is(
    house: House[Any], day: datetime, count: int
) -> None:
    moments = await run_over(house, day, cron="*/30 * * * *")
    assert {later - moment for moment, later in itertools.pairwise(moments)} == {timedelta(minutes=30)}
    assert len(moments) == count  # of 47 or 49 hours


async def test_a_clock_set_back_repeats_nothing_and_misses_nothing(house: House[Any]) -> None:
    one = scheduler(house, every=timedelta(minutes=10))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    looks = [start + timedelta(minutes=minutes, seconds=1) for minutes in (0, 10, 20, 5, 15, 20, 30, 40, 39, 50)]
    assert await look(house, one, looks) == [start + timedelta(minutes=minutes) for minutes in (10, 20, 30, 40, 50)]


async def test_a_clock_that_was_far_ahead_for_a_moment_does_not_stop_the_schedule(house: House[Any]) -> None:
    one = scheduler(house, every=timedelta(hours=1))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    looks = [start + timedelta(hours=hours, seconds=1) for hours in (0, 1, 1000, 2, 3)]
    assert await look(house, one, looks) == [start + timedelta(hours=hours) for hours in (1, 1000, 2, 3)]


async def test_missed_runs_are_caught_up_once(house: House[Any]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    await scheduler(house, cron="*/5 * * * *").look(start)
    after = start + timedelta(days=3, minutes=2)
    assert await scheduler(house, cron="*/5 * * * *").look(after) == ["probe.tick"]
    assert await scheduler(house, cron="*/5 * * * *").look(after) == []
    assert await take(house) == [start + timedelta(days=3)]


async def test_a_run_is_skipped_on_record_while_the_one_before_it_waits(house: House[Any]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    one = scheduler(house, every=timedelta(minutes=1))
    looks = [start + timedelta(minutes=minute) for minute in range(4)]
    assert [await one.look(moment) for moment in looks] == [[], ["probe.tick"], [], []]
    async with house.database.connection() as connection:
        run = (await RunStore(job_tables).latest(connection))["probe.tick"]
    assert (run.due_at, run.outcome) == (looks[-1], "skipped")
    assert await take(house) == [looks[1]]
    assert await one.look(looks[-1] + timedelta(minutes=1)) == ["probe.tick"]


async def test_a_job_that_is_new_waits_for_its_next_due_time(house: House[Any]) -> None:
    start = datetime(2026, 1, 15, tzinfo=UTC)
    one = scheduler(house, cron="0 0 1 * *")
    assert await one.look(start) == []
    assert await one.look(datetime(2026, 2, 1, tzinfo=UTC)) == ["probe.tick"]


async def test_ten_schedulers_at_once_put_a_run_once(house: House[Any]) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    await scheduler(house, every=timedelta(minutes=1)).look(start)
    many = [scheduler(house, every=timedelta(minutes=1)) for _ in range(10)]
    put = []
    for minute in range(1, 6):
        await asyncio.gather(*(one.look(start + timedelta(minutes=minute)) for one in many))
        put += await take(house)
    assert Counter(put) == Counter(start + timedelta(minutes=minute) for minute in range(1, 6))


async def test_the_outcome_of_a_run_is_on_record(house: House[Any], run_jobs: JobRunner, effects: Effects) -> None:
    store = run_jobs.store
    async with house.database.connection() as connection:
        now = await store.runs.now(connection)
    jobs = Jobs[Any]()
    jobs.periodic("probe.yearly", cron="* * * * *")(nothing)
    one = Scheduler(jobs, store.runs, house)
    await one.look(now - timedelta(minutes=2))
    async with house.database.connection() as connection:
        assert (await store.runs.latest(connection))["probe.yearly"].outcome == FIRST_SEEN
    await one.look(now)
    await run_jobs()
    async with house.database.connection() as connection:
        run = (await store.runs.latest(connection))["probe.yearly"]
    assert (run.outcome, run.error) == ("succeeded", None)
    assert await effects.notes() == [run.due_at.astimezone(UTC).isoformat()]


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("cron", ["30 2 * * *", "0 */2 * * *", "*/20 2 * * *", "10 1-3 * * *", "5 0 1 * *"])
def test_due_times_are_the_same_wherever_one_begins_to_count(zone: str, cron: str) -> None:
    schedule, chance = Schedule[Any](cron=cron, timezone=ZoneInfo(zone)), random.Random(1)  # noqa: S311 - moments to try, the same each time
    for day in (
        datetime(2026, 3, 7, tzinfo=UTC),
        datetime(2026, 3, 28, tzinfo=UTC),
        datetime(2026, 10, 24, tzinfo=UTC),
    ):
        whole = []
        for due in schedule.after(day - timedelta(days=40), None):
            if due > day + timedelta(days=40):
                break
            whole.append(due)
        assert whole == sorted(set(whole))
        for _ in range(20):
            now = day + timedelta(seconds=chance.randrange(3 * 86_400))
            known = [due for due in whole if due <= now]
            last = chance.choice(known[-4:-1]) if len(known) > 1 else day - timedelta(days=40)
            assert schedule.latest(last, now, None) == known[-1]


def test_a_wrong_cron_expression_is_told_where_it_is_declared() -> None:
    with pytest.raises(Exception, match="Bad"):
        Jobs[Any]().periodic("a.b", cron="61 * * * *")
    with pytest.raises(ValueError, match="one of every and cron"):
        Jobs[Any]().periodic("a.b")
