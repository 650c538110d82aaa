"""What a job may do and what becomes of its message, through the worker's own consumer."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from probe.processes import Effects
from probe.tables import job_tables

from chassis import logs
from chassis.database import statement
from chassis.house import House
from chassis.jobs.consumer import LEASE, Consumer
from chassis.jobs.declaration import Backoff, Jobs
from chassis.jobs.work import LeaseLost, Work
from chassis.service import Service
from chassis.testing.jobs import JobRunner

_LOCKED = statement(sa.select(job_tables.outbox.c.id).with_for_update(), "SELECT outbox FOR UPDATE")
_ROW = statement(sa.select(job_tables.outbox), "SELECT outbox")
_HANDLED = statement(sa.select(job_tables.handled.c.id), "SELECT handled")


@pytest.fixture
def put(house: House[Any]) -> Callable[..., Any]:
    async def put(kind: str = "probe.note", note: str = "", **options: Any) -> UUID:
        async with house.database.transaction() as tx:
            return await house.outbox.put(tx, kind, {"note": note}, **options)

    return put


@pytest.fixture
def row(house: House[Any]) -> Callable[[], Any]:
    async def row() -> Any:
        async with house.database.connection() as connection:
            return await connection.one(_ROW)

    return row


@pytest.fixture
def consumer(service: Service[Any], house: House[Any], run_jobs: JobRunner) -> Consumer[Any]:
    return Consumer(service.name, service.all_jobs, run_jobs.store, house)


async def test_a_message_runs_its_job_once(put: Any, run_jobs: JobRunner, effects: Effects) -> None:
    id_ = await put(note="hello")
    assert [(ran.id, ran.outcome) for ran in await run_jobs()] == [(id_, "succeeded")]
    assert await run_jobs() == []
    assert (await effects.notes(), await effects.left()) == (["hello"], 0)


async def test_a_message_of_a_transaction_that_is_undone_never_was(
    house: House[Any], run_jobs: JobRunner, effects: Effects
) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with house.database.transaction() as tx:
            await house.outbox.put(tx, "probe.note", {"note": "no"})
            raise ZeroDivisionError
    assert await run_jobs() == []
    assert await effects.notes() == []


async def test_a_second_delivery_of_the_same_message_changes_nothing(
    put: Any, consumer: Consumer[Any], house: House[Any], effects: Effects
) -> None:
    id_ = await put(note="once")
    assert [await consumer.handle(id_) for _ in range(3)] == ["succeeded", None, None]
    assert await effects.notes() == ["once"]
    async with house.database.connection() as connection:
        assert [handled.id for handled in await connection.all(_HANDLED)] == [id_]


async def test_of_many_deliveries_at_once_one_runs(put: Any, consumer: Consumer[Any], effects: Effects) -> None:
    id_ = await put(note="once")
    outcomes = await asyncio.gather(*(consumer.handle(id_) for _ in range(8)))
    assert sorted(map(str, outcomes)) == ["None"] * 7 + ["succeeded"]
    assert await effects.notes() == ["once"]


async def test_a_job_that_returns_without_finishing_is_finished(
    put: Any, run_jobs: JobRunner, effects: Effects
) -> None:
    await put("probe.call", note="outside")
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    assert (await effects.notes(), await effects.left()) == (["outside"], 0)


async def test_a_failed_attempt_leaves_no_effect_and_is_tried_again_after_a_pause_until_it_is_a_dead_letter(
    put: Any, run_jobs: JobRunner, effects: Effects, row: Any
) -> None:
    await put("probe.fail")
    outcomes = []
    for _ in range(4):
        outcomes += [ran.outcome for ran in await run_jobs()]
        assert await run_jobs() == []
        await run_jobs.pass_time(timedelta(hours=1))
    assert outcomes == ["failed", "failed", "dead"]
    assert await effects.notes() == []
    left = await row()
    assert (left.attempts, left.last_error, left.dead_at is not None) == (
        3,
        "ConnectionRefusedError: attempt 3",
        True,
    )


async def test_a_permanent_failure_is_a_dead_letter_at_once(put: Any, run_jobs: JobRunner, row: Any) -> None:
    await put("probe.refuse")
    assert [ran.outcome for ran in await run_jobs()] == ["dead"]
    assert (await row()).last_error == "Permanent: no such mailbox"


async def test_a_job_says_when_it_wants_to_be_tried_again(put: Any, run_jobs: JobRunner, row: Any) -> None:
    await put("probe.later")
    assert [ran.outcome for ran in await run_jobs()] == ["failed"]
    wait = (await row()).due_at - datetime.now(UTC)
    assert timedelta(minutes=6, seconds=50) < wait <= timedelta(minutes=7)
    await run_jobs.pass_time(timedelta(minutes=6))
    assert await run_jobs() == []
    await run_jobs.pass_time(timedelta(minutes=2))
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]


async def test_a_failure_after_the_effect_is_committed_does_not_repeat_it(
    put: Any, run_jobs: JobRunner, effects: Effects
) -> None:
    await put("probe.finished", note="there")
    assert [ran.outcome for ran in await run_jobs()] == ["lost"]
    assert (await effects.notes(), await effects.left()) == (["there"], 0)


async def test_an_attempt_that_takes_too_long_is_cancelled_and_has_failed(
    put: Any, run_jobs: JobRunner, row: Any
) -> None:
    await put("probe.endless")
    assert [ran.outcome for ran in await run_jobs()] == ["failed"]
    assert (await row()).last_error == "TimeoutError: took longer than 0.05 s"


async def test_a_stopped_attempt_gives_its_message_back_as_if_it_had_not_begun(
    put: Any, consumer: Consumer[Any], run_jobs: JobRunner, row: Any, effects: Effects, house: House[Any]
) -> None:
    async with house.database.transaction() as tx:
        id_ = await house.outbox.put(tx, "probe.hold", {"note": "long", "seconds": 60})
    task = asyncio.create_task(consumer.handle(id_))
    await effects.include("begun long")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = await row()
    assert (left.attempts, left.lease, left.leased_until) == (0, None, None)


async def test_a_consumer_is_settled_only_when_what_it_stopped_is_given_back(
    consumer: Consumer[Any], row: Any, effects: Effects, house: House[Any]
) -> None:
    async with house.database.transaction() as tx:
        id_ = await house.outbox.put(tx, "probe.hold", {"note": "long", "seconds": 60})
    begun = asyncio.run_coroutine_threadsafe(consumer.handle(id_), asyncio.get_running_loop())
    await effects.include("begun long")
    async with house.database.transaction() as tx:
        await tx.one(_LOCKED)
        begun.cancel()  # from now on, who waits for the result waits for nothing
        settled = asyncio.create_task(consumer.settled(60))
        done, _ = await asyncio.wait({settled}, timeout=0.1)
        assert not done
    await settled
    left = await row()
    assert (left.attempts, left.lease, left.leased_until) == (0, None, None)


async def test_a_worker_that_stood_still_while_its_lease_ran_out_changes_nothing(
    put: Any, house: House[Any], run_jobs: JobRunner, effects: Effects
) -> None:
    id_ = await put(note="the other's")
    async with house.database.connection() as connection:
        message = await run_jobs.store.take(connection, id_, uuid4(), LEASE)
    assert message is not None
    await run_jobs.pass_time(LEASE * 2)
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    late = Work(message, house, run_jobs.store, periodic=False)
    with pytest.raises(LeaseLost):
        async with late.finish():
            pytest.fail("the effect began")
    assert await effects.notes() == ["the other's"]


async def test_a_message_that_ends_its_worker_each_time_is_a_dead_letter_in_the_end(
    put: Any, house: House[Any], run_jobs: JobRunner, row: Any
) -> None:
    id_ = await put("probe.fail")
    for _ in range(3):
        async with house.database.connection() as connection:
            assert await run_jobs.store.take(connection, id_, uuid4(), LEASE)
        await run_jobs.pass_time(LEASE * 2)
    assert [ran.outcome for ran in await run_jobs()] == ["dead"]
    assert (await row()).last_error == "Permanent: the worker died during each of its attempts"


async def test_messages_of_one_aggregate_keep_their_order_over_failures_and_others_pass_by(
    put: Any, run_jobs: JobRunner, effects: Effects
) -> None:
    await put("probe.once", note="first", aggregate="a")
    await put("probe.note", note="second", aggregate="a")
    await put("probe.note", note="other", aggregate="b")
    await put("probe.note", note="free")
    await run_jobs()
    await run_jobs.pass_time(timedelta(minutes=1))
    await run_jobs()
    assert await effects.notes() == ["other", "free", "first", "second"]


async def test_a_dead_letter_does_not_hold_up_its_aggregate(put: Any, run_jobs: JobRunner, effects: Effects) -> None:
    await put("probe.refuse", aggregate="a")
    await put("probe.note", note="next", aggregate="a")
    assert [ran.outcome for ran in await run_jobs()] == ["dead", "succeeded"]
    assert await effects.notes() == ["next"]


async def test_a_message_for_later_waits_until_it_is_due(put: Any, run_jobs: JobRunner, effects: Effects) -> None:
    await put(note="tomorrow", due_at=datetime.now(UTC) + timedelta(days=1))
    assert await run_jobs() == []
    await run_jobs.pass_time(timedelta(days=1))
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]


async def test_a_message_whose_job_is_not_known_here_waits_for_a_worker_that_knows_it(
    put: Any, run_jobs: JobRunner, effects: Effects
) -> None:
    await put("probe.of.tomorrow")
    assert await run_jobs() == []
    assert await effects.left() == 1


async def test_a_job_logs_under_the_request_id_of_its_cause(
    put: Any, run_jobs: JobRunner, caplog: pytest.LogCaptureFixture
) -> None:
    seen = []

    def see(record: logging.LogRecord) -> bool:
        seen.append(logs.request_id.get())
        return True

    caplog.set_level("INFO", "chassis.jobs.consumer")
    caplog.handler.addFilter(see)
    token = logs.request_id.set("request-7")
    await put(note="x")
    logs.request_id.reset(token)
    await asyncio.create_task(run_jobs())
    assert seen == ["request-7"]


def test_a_back_off_doubles_up_to_its_most_and_is_at_least_half_of_that() -> None:
    backoff = Backoff(first_s=2, most_s=60)
    assert [backoff.delay(n, lambda: 1.0).total_seconds() for n in (1, 2, 3, 6, 500)] == [2, 4, 8, 60, 60]
    assert backoff.delay(3, lambda: 0.0) == timedelta(seconds=4)


def test_two_jobs_of_one_kind_are_a_mistake() -> None:
    jobs = Jobs[Any]()

    async def run(work: Work[Any]) -> None: ...

    jobs.job("a.b")(run)
    with pytest.raises(ValueError, match="two jobs"):
        jobs.job("a.b")(run)
