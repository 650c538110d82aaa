"""What has had its time goes, in nobody's way; what has not stays."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.wrappers_pb2 import StringValue

from chassis import call as calls
from chassis.house import House
from chassis.identity import Caller
from chassis.jobs.cleanup import BATCH
from chassis.service import Service
from chassis.testing.jobs import JobRunner
from chassis.testing.plugin import Logins

MANY = BATCH * 12


@pytest.fixture
def sql(database: Logins) -> Any:
    with psycopg.connect(database.service, autocommit=True) as connection:
        yield connection


def fill(sql: psycopg.Connection[Any], count: int, expires: str) -> None:
    sql.execute(
        "INSERT INTO probe.idempotency_keys"
        " SELECT 'nobody', '/probe', n::text, '\\x00', '\\x', now() - interval '2 days', now() + %s::interval"
        " FROM generate_series(1, %s) n",
        (expires, count),
    )


def count(sql: psycopg.Connection[Any], table: str) -> int:
    counted = psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier("probe", table))
    row = sql.execute(counted).fetchone()
    assert row
    return int(row[0])


async def run(house: House[Any], run_jobs: JobRunner, kind: str) -> None:
    async with house.database.transaction() as tx:
        await house.outbox.put(tx, kind, {"due_at": datetime.now(UTC).isoformat()})
    assert [(ran.kind, ran.outcome) for ran in await run_jobs()] == [(kind, "succeeded")]


async def keyed_write(house: House[Any], key: str, text: str) -> str:
    calls.enter(calls.Call("/probe", Caller(address="nobody"), "", key, "00" * 32))
    async with house.database.transaction() as tx:
        earlier = await house.idempotency.replay(tx, StringValue)
        return (earlier or await house.idempotency.record(tx, StringValue(value=text))).value


async def test_expired_keys_go_and_live_ones_stay(house: House[Any], run_jobs: JobRunner, sql: Any) -> None:
    fill(sql, BATCH * 2 + 1, "-1 minute")
    await keyed_write(house, "live", "first")
    await run(house, run_jobs, "idempotency.cleanup")
    assert count(sql, "idempotency_keys") == 1
    assert await keyed_write(house, "live", "second") == "first"


async def test_writers_of_expired_keys_are_new_requests_and_wait_less_than_100_ms_for_the_clean_up(
    house: House[Any], run_jobs: JobRunner, sql: Any
) -> None:
    fill(sql, MANY, "-1 minute")
    cleaning = asyncio.create_task(run(house, run_jobs, "idempotency.cleanup"))
    waits: list[float] = []
    written: list[str] = []
    while not cleaning.done():
        key = str(MANY - len(written) * 3 % MANY)
        before = time.perf_counter()
        assert await keyed_write(house, key, f"new {key}") == f"new {key}"
        waits.append(time.perf_counter() - before)
        written.append(key)
    await cleaning
    assert len(waits) > 10
    # The median says that no write waits its turn; the longest may be the scheduler of a busy machine.
    assert sorted(waits)[len(waits) * 9 // 10] < 0.1
    for key in set(written):
        assert await keyed_write(house, key, "other") == f"new {key}"
    assert count(sql, "idempotency_keys") == len(set(written))


async def test_a_row_that_someone_works_on_is_left_to_the_next_run(
    house: House[Any], run_jobs: JobRunner, sql: Any
) -> None:
    fill(sql, 3, "-1 minute")
    with sql.transaction():
        sql.execute("SELECT 1 FROM probe.idempotency_keys WHERE key = '2' FOR UPDATE")
        await run(house, run_jobs, "idempotency.cleanup")
    assert sql.execute("SELECT key FROM probe.idempotency_keys").fetchall() == [("2",)]
    await run(house, run_jobs, "idempotency.cleanup")
    assert count(sql, "idempotency_keys") == 0


async def test_handled_ids_go_after_their_days_and_the_newest_run_of_a_job_never(
    house: House[Any], run_jobs: JobRunner, sql: Any
) -> None:
    sql.execute(
        "INSERT INTO probe.handled SELECT gen_random_uuid(), 'x', now() - n * interval '5 days'"
        " FROM generate_series(1, 4) n"
    )
    sql.execute(
        "INSERT INTO probe.schedule_runs SELECT 'old', now() - n * interval '40 days', NULL, 'succeeded'"
        " FROM generate_series(1, 3) n"
    )
    await run(house, run_jobs, "jobs.cleanup")
    assert count(sql, "handled") == 2  # the one of five days ago, and the clean-up's own
    assert count(sql, "schedule_runs") == 1


@pytest.mark.parametrize(("kept", "left"), [(None, 1), (0.5, 0)])
async def test_dead_letters_age_out_by_setting_alone(
    service: Service[Any], house: House[Any], settings: Any, kept: float | None, left: int, sql: Any
) -> None:
    told = House(
        settings=settings.model_copy(update={"dead_letter_retention_days": kept}),
        database=house.database,
        idempotency=house.idempotency,
        cursors=house.cursors,
        outbox=house.outbox,
        watches=house.watches,
    )
    run_jobs = JobRunner(service, told)
    async with house.database.transaction() as tx:
        await house.outbox.put(tx, "probe.refuse", {})
    await run_jobs()
    sql.execute("UPDATE probe.outbox SET dead_at = dead_at - interval '300 days'")
    await run(told, run_jobs, "jobs.cleanup")
    assert count(sql, "outbox") == left


async def test_clean_ups_are_among_the_jobs_of_every_service(service: Service[Any], settings: Any) -> None:
    schedules = {job.kind: job.schedule for job in service.all_jobs if job.schedule}
    cleanup = schedules["idempotency.cleanup"]
    assert cleanup
    start = datetime(2026, 1, 1, tzinfo=UTC)
    told = settings.model_copy(update={"cleanup_interval_seconds": 2.0})
    assert next(cleanup.after(start, settings)) == start + timedelta(minutes=5)
    assert next(cleanup.after(start, told)) == start + timedelta(seconds=2)
