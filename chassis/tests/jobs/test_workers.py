import asyncio
import signal
from collections.abc import Callable
from typing import Any

from probe.processes import Effects, WorkerProcess

from chassis.embedded.redis import Redis
from chassis.house import House

Start = Callable[..., WorkerProcess]


async def put(house: House[Any], notes: list[str], kind: str = "probe.note", aggregate: str | None = None) -> None:
    for note in notes:
        async with house.database.transaction() as tx:
            await house.outbox.put(tx, kind, {"note": note}, aggregate=aggregate)


async def test_a_worker_process_runs_what_was_put(house: House[Any], worker: Start, effects: Effects) -> None:
    process = await worker().ready()
    notes = [str(i) for i in range(100)]
    await put(house, notes)
    await effects.each_once(notes, process.explain)
    process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.child.wait, 10) == 0, process.explain()


async def test_a_worker_takes_jobs_again_after_redis_was_restarted_twice_within_three_seconds(
    house: House[Any], worker: Start, effects: Effects, redis: Redis
) -> None:
    process = await worker().ready()
    await put(house, ["before"])
    await effects.each_once(["before"], process.explain)
    redis.stop()
    redis.start()
    redis.stop()
    redis.start()
    await put(house, ["after"])
    await effects.each_once(["before", "after"], process.explain)
