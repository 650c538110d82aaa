from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.jobs.declaration import Jobs, Permanent, RetryAt
from chassis.jobs.work import Work
from chassis.settings import ServiceSettings
from probe.tables import effects

_NOTE = statement(
    sa.insert(effects).values(message_id=sa.bindparam("message_id", type_=sa.Uuid), note=sa.bindparam("note")),
    "INSERT effects",
)

jobs = Jobs[ServiceSettings]()


async def note(tx: Connection, work: Work[ServiceSettings]) -> None:
    await tx.execute(_NOTE, message_id=work.id, note=work.payload.get("note", ""))


@jobs.job("probe.note")
async def write(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work)


@jobs.job("probe.fail", max_attempts=3)
async def fail(work: Work[ServiceSettings]) -> None:
    async with work.finish() as tx:
        await note(tx, work)
        raise ConnectionRefusedError(f"attempt {work.attempt}")


@jobs.job("probe.refuse")
async def refuse(work: Work[ServiceSettings]) -> None:
    raise Permanent("no such mailbox")


@jobs.job("probe.later")
async def later(work: Work[ServiceSettings]) -> None:
    if work.attempt == 1:
        raise RetryAt(datetime.now(UTC) + timedelta(minutes=7), "busy")
