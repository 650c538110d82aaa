"""Real worker processes on a real Redis, and what is done to them."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redis.asyncio as redis_client
from opentelemetry import trace
from opentelemetry.context import attach, detach
from probe.processes import Effects, WorkerProcess, until

from chassis import logs
from chassis.embedded.redis import Redis
from chassis.house import House
from chassis.telemetry import propagator
from chassis.testing.plugin import Logins

Start = Callable[..., WorkerProcess]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def put(house: House[Any], notes: list[str], kind: str = "probe.note", **options: Any) -> None:
    for note in notes:
        async with house.database.transaction() as tx:
            await house.outbox.put(tx, kind, {"note": note, "seconds": 0}, **options)


async def hold(house: House[Any], note: str, seconds: float) -> None:
    async with house.database.transaction() as tx:
        await house.outbox.put(tx, "probe.hold", {"note": note, "seconds": seconds})


def numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


async def test_a_worker_process_runs_what_was_put_and_ends_when_told(
    house: House[Any], worker: Start, effects: Effects
) -> None:
    process = await worker().ready()
    await put(house, numbers(50))
    await effects.each_once(numbers(50), process.explain)
    process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.child.wait, 10) == 0, process.explain()


async def test_parts_of_a_worker_run_apart_and_several_of_each(
    house: House[Any], worker: Start, effects: Effects
) -> None:
    parts = [worker("--only", part) for part in ("consumer", "relay", "consumer", "relay", "scheduler")]
    for process in parts:
        await process.ready()
    await put(house, numbers(40))
    await put(house, ["a0", "a1", "a2", "a3", "a4"], aggregate="a")
    await effects.each_once([*numbers(40), "a0", "a1", "a2", "a3", "a4"], parts[0].explain)
    assert [note for note in await effects.notes() if note[0] == "a"] == ["a0", "a1", "a2", "a3", "a4"]


async def test_a_job_has_the_trace_and_the_request_id_of_its_cause(
    house: House[Any], worker: Start, effects: Effects
) -> None:
    process = await worker().ready()
    token = attach(propagator.extract({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}))
    request = logs.request_id.set("request-42")
    assert trace.get_current_span().get_span_context().is_valid
    await put(house, ["traced"])
    logs.request_id.reset(request)
    detach(token)
    await effects.each_once(["traced"], process.explain)

    def told() -> bool:
        lines = [line for line in process.lines() if line["message"].endswith("is done")]
        return [(line["trace_id"], line["request_id"]) for line in lines] == [(TRACE, "request-42")]

    await until(told, process.explain)


async def test_a_worker_takes_jobs_again_after_redis_was_restarted_twice_within_three_seconds(
    house: House[Any], worker: Start, effects: Effects, redis: Redis
) -> None:
    process = await worker().ready()
    await put(house, ["before"])
    await effects.each_once(["before"], process.explain)
    for _ in range(2):
        redis.stop()
        redis.start()
    await put(house, ["after"])
    await effects.each_once(["before", "after"], process.explain)
    assert process.child.poll() is None


async def test_a_worker_whose_threads_all_end_while_redis_is_away_takes_jobs_again(
    house: House[Any], worker: Start, effects: Effects, redis: Redis
) -> None:
    process = await worker(NEOFORGE_WORKER_CONCURRENCY="1").ready()
    await hold(house, "one", 1)
    await effects.include("begun one")
    redis.stop()
    await effects.include("one")
    redis.start()
    await hold(house, "two", 0)
    await effects.include("two")
    assert process.child.poll() is None


async def test_a_flushed_redis_loses_nothing(
    house: House[Any], worker: Start, effects: Effects, redis: Redis, database: Logins
) -> None:
    # A relay alone, so that the messages lie in Redis when it is flushed.
    relay = await worker("--only", "relay").ready()
    await put(house, numbers(30))
    client = redis_client.Redis.from_url(redis.url)

    async def lie_in_redis(count: int) -> None:
        async with asyncio.timeout(20):
            while await client.llen("probe.default") < count:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.02)

    await lie_in_redis(30)
    await client.flushall()
    await lie_in_redis(30)
    await client.aclose()
    consumer = worker("--only", "consumer")
    await effects.each_once(numbers(30), lambda: relay.explain() + consumer.explain())


async def test_while_redis_is_away_messages_wait_and_the_worker_says_that_it_is_not_ready(
    house: House[Any], worker: Start, effects: Effects, redis: Redis
) -> None:
    process = await worker().ready()
    redis.stop()
    await until(lambda: '"redis": "down"' in process.get("/ready")[1], process.explain)
    assert process.get("/ready")[0] == 503
    assert process.get("/health")[0] == 200
    await put(house, ["waits"])
    redis.start()
    await effects.each_once(["waits"], process.explain, seconds=45)


async def test_killed_workers_lose_nothing_and_repeat_no_effect(
    house: House[Any], worker: Start, effects: Effects
) -> None:
    process = worker(PROBE_LEASE_S="3")
    await put(house, numbers(60))
    for kill in range(3):
        await effects.count((kill + 1) * 10)
        process.kill()
        process = worker(PROBE_LEASE_S="3")
    await effects.each_once(numbers(60), process.explain, seconds=60)


async def test_a_worker_that_is_stopped_for_longer_than_its_lease_changes_nothing_when_it_goes_on(
    house: House[Any], worker: Start, effects: Effects, database: Logins
) -> None:
    first = await worker().ready()
    await hold(house, "held", 1.5)
    await effects.include("begun held")
    first.signal(signal.SIGSTOP)
    second = await worker().ready()
    with psycopg.connect(database.service, autocommit=True) as sql:  # the lease runs out
        sql.execute("UPDATE probe.outbox SET leased_until = now() - interval '1 second'")
    # Redis may give it once more to the one that is stopped: then it takes until it is handed out again.
    await effects.include("held", seconds=120)
    first.signal(signal.SIGCONT)
    await until(lambda: any("the lease was lost" in line["message"] for line in first.lines()), first.explain)
    assert (await effects.notes()).count("held") == 1
    assert await effects.left() == 0, second.explain()


async def test_sigterm_lets_a_running_job_end(house: House[Any], worker: Start, effects: Effects) -> None:
    process = await worker().ready()
    await hold(house, "short", 1)
    await effects.include("begun short")
    process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.child.wait, 15) == 0, process.explain()
    assert await effects.notes() == ["begun short", "short"]


async def test_sigterm_gives_a_job_back_that_takes_too_long(
    house: House[Any], worker: Start, effects: Effects, database: Logins
) -> None:
    process = await worker(PROBE_DRAIN_S="0.3").ready()
    await hold(house, "long", 50)
    await effects.include("begun long")
    process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.child.wait, 15) == 0, process.explain()
    with psycopg.connect(database.service) as sql:
        assert sql.execute("SELECT attempts, lease FROM probe.outbox").fetchall() == [(0, None)]


async def test_slow_jobs_do_not_hold_up_quick_ones(house: House[Any], worker: Start, effects: Effects) -> None:
    process = await worker(NEOFORGE_WORKER_CONCURRENCY="2").ready()
    for number in range(4):
        await hold(house, f"slow {number}", 50)
    await effects.include("begun slow 1")
    await put(house, ["quick"])
    await effects.include("quick")
    assert "slow 0" not in await effects.notes()
    await until(lambda: process.metric('celery_queue_depth{queue="probe.slow"}') == 4, process.explain)


async def test_gauges_are_true_with_several_workers_and_after_one_was_killed(
    house: House[Any], worker: Start, effects: Effects
) -> None:
    killed = await worker("--only", "consumer").ready()
    kept = await worker(PROBE_LEASE_S="3").ready()
    await put(house, numbers(10))
    await put(house, [""], kind="probe.refuse")
    await put(house, ["in backoff"], kind="probe.fail")
    killed.kill()

    def gauges() -> tuple[float | None, ...]:
        return tuple(
            kept.metric(name)
            for name in (
                'celery_queue_depth{queue="probe.default"}',
                'outbox_messages{state="waiting"}',
                'outbox_messages{state="leased"}',
                'outbox_messages{state="dead"}',
                "outbox_oldest_age_seconds",
            )
        )

    await until(lambda: gauges() == (0, 0, 0, 2, 0), lambda: f"{gauges()} {kept.explain()}", seconds=60)
    assert (await effects.notes()).count("3") == 1
    text = kept.get("/metrics")[1]
    assert 'job_failures_total{kind="probe.fail"}' in text
    assert 'job_retries_total{kind="probe.fail"}' in text
    assert 'job_duration_seconds_bucket{kind="probe.note",le="0.01",outcome="succeeded"}' in text
    handed = kept.metric('outbox_wait_seconds_count{queue="probe.default"}')
    assert handed == kept.metric('outbox_batch_size_sum{queue="probe.default"}')
    assert handed


async def test_expired_keys_disappear_within_one_period(
    house: House[Any], worker: Start, database: Logins, effects: Effects
) -> None:
    process = await worker(NEOFORGE_CLEANUP_INTERVAL_SECONDS="1").ready()
    with psycopg.connect(database.service, autocommit=True) as sql:
        sql.execute(
            "INSERT INTO probe.idempotency_keys VALUES ('c', 'm', 'k', '', '', now(), now() - interval '1 minute')"
        )

        def gone() -> bool:
            return sql.execute("SELECT 1 FROM probe.idempotency_keys").fetchone() is None

        await until(gone, process.explain, seconds=20)


@pytest.mark.parametrize("missing", ["NEOFORGE_REDIS_URL"])
async def test_a_worker_without_redis_in_its_settings_refuses_to_start(worker: Start, missing: str) -> None:
    process = worker(**{missing: ""})
    assert await asyncio.to_thread(process.child.wait, 30) == 78
    with contextlib.suppress(OSError):
        assert missing in process.log.read_text()
