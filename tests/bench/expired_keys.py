"""How long writers wait while a million expired idempotency keys are removed.

Run it from the root of the tree: `.venv/bin/python tests/bench/expired_keys.py [COUNT]`.
"""

import asyncio
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import psycopg
from google.protobuf.wrappers_pb2 import StringValue

from chassis import call as calls
from chassis.database import Database
from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.idempotency import Idempotency
from chassis.identity import Caller
from chassis.jobs.cleanup import expired_keys, remove
from chassis.migrations import runner
from projects.__main__ import SERVICE
from projects.tables import idempotency_keys

PASSWORD = "bench-" + "0" * 40


async def write(database: Database, idempotency: Idempotency, number: int, waits: list[float]) -> None:
    """Use an expired key, the worst case: its row may be among those that are just removed."""
    calls.enter(calls.Call("/bench", Caller(address="nobody"), "", str(number), "00" * 32))
    before = time.perf_counter()
    async with database.transaction() as tx:
        earlier = await idempotency.replay(tx, StringValue)
        assert earlier is None, "an expired key was not new"
        await idempotency.record(tx, StringValue(value="x"))
    waits.append(time.perf_counter() - before)


async def run(url: str, count: int) -> None:
    database = Database(url, pool_size=5)
    await database.open()
    idempotency = Idempotency(idempotency_keys, timedelta(hours=24))
    waits: list[float] = []
    done = asyncio.Event()

    async def write_on(start: int) -> None:
        number = start
        while not done.is_set():
            # From the end that the clean-up reaches last, so that most of them meet a row.
            await write(database, idempotency, count - number, waits)
            number += 2
            await asyncio.sleep(0.005)

    writers = [asyncio.create_task(write_on(start)) for start in (0, 1)]
    started, removed = time.perf_counter(), 0
    async for batch in remove(database, expired_keys(idempotency_keys), budget_s=3600, kept=timedelta()):
        removed += batch
    elapsed = time.perf_counter() - started
    done.set()
    await asyncio.gather(*writers)
    waits.sort()
    print(f"{removed} expired keys removed in {elapsed:.0f} s ({removed / elapsed:.0f} a second)")
    print(
        f"{len(waits)} keyed writes meanwhile: median {waits[len(waits) // 2] * 1000:.1f} ms, "
        f"p99 {waits[len(waits) * 99 // 100] * 1000:.1f} ms, longest {waits[-1] * 1000:.1f} ms"
    )
    await database.close()


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name, PostgreSQL(Path(name) / "postgresql") as postgresql:
        url = create_database(postgresql.admin_url, "bench")
        create_service(url, SERVICE.name, PASSWORD, PASSWORD)
        runner.upgrade(url_of(url, user=f"{SERVICE.name}_owner", password=PASSWORD), SERVICE.migrations, SERVICE.tables)
        login = url_of(url, user=SERVICE.name, password=PASSWORD)
        with psycopg.connect(login, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO projects.idempotency_keys SELECT 'nobody', '/bench', n::text, '\\x00', '\\x',"
                " now() - interval '2 days', now() - interval '1 day' + n * interval '1 millisecond'"
                " FROM generate_series(1, %s) n",
                (count,),
            )
        asyncio.run(run(login, count))


if __name__ == "__main__":
    main()
