import asyncio
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.jobs.declaration import SLOW, Backoff, Jobs, Permanent, RetryAt
from chassis.jobs.work import Work
from chassis.settings import ServiceSettings
from probe.tables import effects

_NOTE = statement(
    sa.insert(effects).values(message_id=sa.bindparam("message_id", type_=sa.Uuid), note=sa.bindparam("note")),
    "INSERT effects",
)

jobs = Jobs[ServiceSettings]()


async def note(tx: Connection, work: Work[ServiceSettings], text: str | None = None) -> None:
    await tx.execute(_NOTE, message_id=work.id, note=work.payload.get("note", "") if text is None else text)


@jobs.job("probe.note")
async def write(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work)


@jobs.job("probe.call")
async def call(work: Work[ServiceSettings]) -> None:
    """Reaches outside, which leaves its trace at once, and finishes without an effect of its own."""
    async with work.house.database.connection() as connection:
        await note(connection, work)


@jobs.job("probe.fail", max_attempts=3)
async def fail(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work)
        raise ConnectionRefusedError(f"attempt {work.attempt}")


@jobs.job("probe.once", backoff=Backoff(first_s=0.01))
async def fail_once(work: Work[ServiceSettings]) -> None:
    if work.attempt == 1:
        raise ConnectionRefusedError("not yet")
    async with work.finish() as tx:
        await note(tx, work)


@jobs.job("probe.refuse")
async def refuse(work: Work[ServiceSettings]) -> None:
    raise Permanent("no such mailbox")


@jobs.job("probe.later")
async def later(work: Work[ServiceSettings]) -> None:
    if work.attempt == 1:
        raise RetryAt(datetime.now(UTC) + timedelta(minutes=7), "busy")


@jobs.job("probe.finished")
async def fail_after_the_effect(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work)
    raise ConnectionRefusedError("too late to matter")


@jobs.job("probe.endless", timeout_s=0.05)
async def endless(work: Work[ServiceSettings]) -> None:
    await asyncio.Event().wait()


@jobs.job("probe.hold", queue=SLOW, timeout_s=60)
async def hold(work: Work[ServiceSettings]) -> None:
    """Says that it has begun, and holds on for as long as it is told."""
    async with work.house.database.connection() as connection:
        await note(connection, work, f"begun {work.payload['note']}")
    await asyncio.sleep(work.payload["seconds"])
    async with work.finish() as tx:
        await note(tx, work)


@jobs.periodic("probe.yearly", cron="0 3 1 1 *")
async def yearly(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work, work.payload["due_at"])
