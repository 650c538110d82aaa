"""How many jobs a second one worker process hands out and runs, and what memory it takes.

Run it from the root of the tree: `.venv/bin/python tests/bench/jobs.py [COUNT]`.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "chassis" / "tests" / "jobs"))

from probe.__main__ import SERVICE
from probe.processes import Effects, WorkerProcess

from chassis.database import Database
from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.embedded.redis import Redis
from chassis.migrations import runner
from chassis.settings import Environment, ServiceSettings

PASSWORD = "bench-" + "0" * 40


def memory_mb(pid: int, what: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(f"{what}:")).split()[1]) / 1024


def processor_ms(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1000  # user and system time, proc(5)


async def run(count: int, settings: Any, redis: Redis, folder: Path) -> None:
    database = Database.of(settings, "bench")
    await database.open()
    house = SERVICE.house(settings, database)
    effects = Effects(house)
    worker = WorkerProcess(settings, redis.url, folder / "worker.log", [], {"NEOFORGE_WORKER_CONCURRENCY": "8"})
    try:
        await worker.ready()
        print(
            f"at rest: {memory_mb(worker.child.pid, 'Rss'):.0f} MB RSS, {memory_mb(worker.child.pid, 'Pss'):.0f} MB PSS"
        )
        idle = processor_ms(worker.child.pid)
        await asyncio.sleep(10)
        print(f"at rest: {(processor_ms(worker.child.pid) - idle) / 10:.1f} ms of CPU a second")
        started = time.perf_counter()
        for first in range(0, count, 100):
            async with database.transaction() as tx:
                for number in range(first, min(first + 100, count)):
                    await house.outbox.put(tx, "probe.note", {"note": str(number)})
        print(f"put: {count / (time.perf_counter() - started):.0f} messages a second, 100 in a transaction")
        await effects.each_once([str(number) for number in range(count)], worker.explain, seconds=300)
        elapsed = time.perf_counter() - started
        print(f"handed out and run, each with its effect once: {count / elapsed:.0f} a second")
        print(f"worker: {processor_ms(worker.child.pid) / count:.2f} ms of CPU per job")
        print(
            f"after: {memory_mb(worker.child.pid, 'Rss'):.0f} MB RSS, {memory_mb(worker.child.pid, 'Pss'):.0f} MB PSS"
        )
        await asyncio.sleep(3)
        for _ in range(20):
            async with database.transaction() as tx:
                await house.outbox.put(tx, "probe.note", {"note": "one"})
            begun = time.perf_counter()
            while await effects.left():  # noqa: ASYNC110 - another process empties it
                await asyncio.sleep(0.001)
            latency = time.perf_counter() - begun
        print(f"one alone: {latency * 1000:.0f} ms from commit to effect")
    finally:
        worker.end()
        await house.outbox.close()
        await database.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    with (
        tempfile.TemporaryDirectory() as name,
        PostgreSQL(Path(name) / "postgresql") as postgresql,
        Redis(Path(name) / "redis") as redis,
    ):
        url = create_database(postgresql.admin_url, "bench")
        create_service(url, SERVICE.name, PASSWORD, PASSWORD)
        runner.upgrade(url_of(url, user=f"{SERVICE.name}_owner", password=PASSWORD), SERVICE.migrations, SERVICE.tables)
        settings = ServiceSettings(
            environment=Environment.TEST,
            listen="127.0.0.1:0",
            ops_listen="127.0.0.1:0",
            database_url=url_of(url, user=SERVICE.name, password=PASSWORD),
            cursor_secret=PASSWORD,
        )
        asyncio.run(run(count, settings, redis, Path(name)))


if __name__ == "__main__":
    main()
