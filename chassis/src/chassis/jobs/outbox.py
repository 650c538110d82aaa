"""The transactional outbox: what must happen later is written in the same transaction as its cause."""

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from chassis import logs
from chassis.database import Connection, Database, statement
from chassis.errors import DomainError
from chassis.jobs.tables import MOMENT, JobTables
from chassis.telemetry import propagator

_BETWEEN_RINGS_S: Final = 0.02


class Outbox:
    """Where a servicer leaves what must happen later.

    async with database.transaction() as tx:
        ...
        await outbox.put(tx, "project.created", {"project_id": str(project.id)}, aggregate=str(project.id))
    """

    def __init__(self, tables: JobTables, database: Database) -> None:
        outbox = tables.outbox
        due_at = sa.func.coalesce(sa.bindparam("due_at", type_=MOMENT), sa.func.now())
        given = ("id", "kind", "payload", "aggregate", "traceparent", "request_id")
        self._insert = statement(
            sa.insert(outbox).values(
                {name: sa.bindparam(name, type_=outbox.c[name].type) for name in given}
                | {"created_at": sa.func.now(), "due_at": due_at, "attempts": 0},
            ),
            "INSERT outbox",
        )
        self._bell = Bell(database, channel(tables))

    async def put(
        self,
        tx: Connection,
        kind: str,
        payload: Mapping[str, Any],
        *,
        aggregate: str | None = None,
        due_at: datetime | None = None,
    ) -> UUID:
        """Have the job of this kind run once `tx` is committed, and give the message's id.

        The current trace and request id travel along. Relays are told after the commit.

        Args:
            tx: the transaction of the cause.
            kind: which job, as declared with `Jobs.job`.
            payload: what the job is told, as JSON; no secrets, it is kept in the clear.
            aggregate: messages of one aggregate are handled one after another in the order in which they were put. The
                caller's transaction must hold a lock on what the aggregate stands for (the row being changed), or two
                concurrent transactions have no order. A dead letter no longer holds up those behind it.
            due_at: not before this time; None means now.
        """
        id_ = uuid7()
        carrier: dict[str, str] = {}
        propagator.inject(carrier)
        await tx.execute(
            self._insert,
            id=id_,
            kind=kind,
            payload=Jsonb(payload),
            aggregate=aggregate,
            traceparent=carrier.get("traceparent"),
            request_id=logs.request_id.get(),
            due_at=due_at,
        )
        tx.after_commit(self._bell.ring)
        return id_

    def ring(self) -> None:
        """Tell the relays that there may be something to hand out."""
        self._bell.ring()

    async def close(self) -> None:
        """Let a ring that is under way end."""
        await self._bell.close()


def channel(tables: JobTables) -> str:
    """The LISTEN/NOTIFY channel of a service's outbox."""
    return f"{tables.outbox.schema}_outbox"


class Bell:
    """Tells listeners on a channel that something was committed, at most once in 20 ms however much is.

    A NOTIFY inside the writing transactions would make them commit one after another: PostgreSQL holds one lock for all
    notifying commits of a server, over their flush to disk. A ring that gets lost (this process dies right after the
    commit) costs the relay's polling interval and nothing else.
    """

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._notify = statement(sa.select(sa.func.pg_notify(channel, "")), "NOTIFY outbox")
        self._wanted = False
        self._ringing: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Have the listeners told soon; returns at once."""
        self._wanted = True
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.get_running_loop().create_task(self._ring())

    async def _ring(self) -> None:
        while self._wanted:
            self._wanted = False
            with contextlib.suppress(DomainError):  # the relay polls as well
                async with self._database.connection() as connection:
                    await connection.one(self._notify)
            await asyncio.sleep(_BETWEEN_RINGS_S)

    async def close(self) -> None:
        """Let the ring that is under way end."""
        if self._ringing is not None:
            await self._ringing
