"""All SQL on the tables of jobs. Every moment is the database's own, since the clocks of workers differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Connection, statement
from chassis.jobs.runs import RunStore
from chassis.jobs.tables import MOMENT, JobTables

LONGEST_ERROR: Final = 2_000
"""Characters of an error that are kept."""


@dataclass(frozen=True)
class Message:
    """A row of the outbox that a worker has taken."""

    id: UUID
    kind: str
    payload: dict[str, Any]
    aggregate: str | None
    traceparent: str | None
    request_id: str
    created_at: datetime
    attempt: int
    lease: UUID


@dataclass(frozen=True)
class Handed:
    """A row of the outbox on its way to the broker."""

    id: UUID
    kind: str
    traceparent: str | None
    request_id: str
    waited_s: float
    """Since it was due."""


@dataclass(frozen=True)
class Counts:
    """How many messages there are in each state, and how long the oldest due one has waited (seconds)."""

    waiting: int
    leased: int
    dead: int
    oldest_age_s: float


class JobStore:
    """The tables of one service's jobs."""

    def __init__(self, tables: JobTables) -> None:
        self.runs = RunStore(tables)
        outbox, handled = tables.outbox, tables.handled
        now = sa.func.now()
        id_ = outbox.c.id == sa.bindparam("id", type_=sa.Uuid)
        until = now + sa.bindparam("lease_for", type_=sa.Interval)
        live = outbox.c.dead_at.is_(None)
        unleased = sa.or_(outbox.c.leased_until.is_(None), outbox.c.leased_until < now)
        held = sa.and_(id_, outbox.c.lease == sa.bindparam("held", type_=sa.Uuid))

        earlier = outbox.alias("earlier")
        behind = sa.exists().where(
            earlier.c.aggregate == outbox.c.aggregate,
            earlier.c.position < outbox.c.position,
            earlier.c.dead_at.is_(None),
        )
        picked = (
            sa.select(outbox.c.id)
            .where(
                live,
                outbox.c.due_at <= now,
                unleased,
                sa.or_(outbox.c.aggregate.is_(None), ~behind),
                outbox.c.kind == sa.any_(sa.bindparam("kinds", type_=ARRAY(sa.Text))),
            )
            .order_by(outbox.c.due_at, outbox.c.position)
            .limit(sa.bindparam("limit", type_=sa.Integer))
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        self._hand_out = statement(
            sa.update(outbox)
            .where(outbox.c.id == picked.c.id)
            .values(lease=sa.null(), leased_until=until)
            .returning(
                outbox.c.id,
                outbox.c.kind,
                outbox.c.traceparent,
                outbox.c.request_id,
                outbox.c.due_at,
                outbox.c.position,
                (sa.func.now() - outbox.c.due_at).label("waited"),
            ),
            "UPDATE outbox",
        )
        handed_out = sa.and_(outbox.c.lease.is_(None), outbox.c.leased_until.is_not(None))
        self._take_back = statement(
            sa.update(outbox)
            .where(handed_out, outbox.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))))
            .values(leased_until=sa.null()),
            "UPDATE outbox",
        )
        self._take_all_back = statement(
            sa.update(outbox).where(handed_out, live).values(leased_until=sa.null()), "UPDATE outbox"
        )

        self._take = statement(
            sa.update(outbox)
            .where(
                id_,
                live,
                outbox.c.due_at <= now,
                sa.or_(outbox.c.lease.is_(None), outbox.c.leased_until < now),
            )
            .values(lease=sa.bindparam("lease", type_=sa.Uuid), leased_until=until, attempts=outbox.c.attempts + 1)
            .returning(
                outbox.c.id,
                outbox.c.kind,
                outbox.c.payload,
                outbox.c.aggregate,
                outbox.c.traceparent,
                outbox.c.request_id,
                outbox.c.created_at,
                outbox.c.attempts.label("attempt"),
                outbox.c.lease,
            ),
            "UPDATE outbox",
        )
        self._prolong = statement(
            sa.update(outbox)
            .where(
                outbox.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))),
                outbox.c.lease == sa.any_(sa.bindparam("leases", type_=ARRAY(sa.Uuid))),
            )
            .values(leased_until=until),
            "UPDATE outbox",
        )
        self._held = statement(
            sa.select(outbox.c.id).where(
                outbox.c.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))),
                outbox.c.lease.is_not(None),
                outbox.c.leased_until >= now,
            ),
            "SELECT outbox",
        )
        self._give_back = statement(
            sa.update(outbox)
            .where(held)
            .values(lease=sa.null(), leased_until=sa.null(), attempts=outbox.c.attempts - 1),
            "UPDATE outbox",
        )
        gone = sa.delete(outbox).where(held).returning(outbox.c.id, outbox.c.kind).cte("gone")
        self._finish = statement(
            insert(handled)
            .from_select(["id", "kind", "handled_at"], sa.select(gone.c.id, gone.c.kind, now))
            .on_conflict_do_nothing(index_elements=["id"]),
            "INSERT handled",
        )
        error = sa.bindparam("error", type_=sa.Text)
        self._retry = statement(
            sa.update(outbox)
            .where(held)
            .values(
                lease=sa.null(),
                leased_until=sa.null(),
                last_error=error,
                due_at=sa.func.coalesce(
                    sa.bindparam("due_at", type_=MOMENT), now + sa.bindparam("delay", type_=sa.Interval)
                ),
            ),
            "UPDATE outbox",
        )
        self._bury = statement(
            sa.update(outbox)
            .where(held)
            .values(lease=sa.null(), leased_until=sa.null(), last_error=error, dead_at=now),
            "UPDATE outbox",
        )
        self._count = statement(
            sa.select(
                sa.func.count().filter(live, unleased).label("waiting"),
                sa.func.count().filter(live, ~unleased).label("leased"),
                sa.func.count().filter(~live).label("dead"),
                sa.func.coalesce(
                    sa.func.extract("epoch", now - sa.func.min(outbox.c.due_at).filter(live, outbox.c.due_at <= now)), 0
                ).label("oldest_age_s"),
            ),
            "COUNT outbox",
        )

        listed = (
            outbox.c.id,
            outbox.c.kind,
            outbox.c.aggregate,
            outbox.c.created_at,
            outbox.c.due_at,
            outbox.c.attempts,
            outbox.c.last_error,
            outbox.c.dead_at,
        )
        most = sa.bindparam("limit", type_=sa.Integer)
        self._dead = statement(
            sa.select(*listed).where(~live).order_by(outbox.c.dead_at, outbox.c.position).limit(most), "SELECT outbox"
        )
        self._waiting = statement(
            sa.select(*listed).where(live).order_by(outbox.c.due_at, outbox.c.position).limit(most), "SELECT outbox"
        )
        revived = {"dead_at": sa.null(), "attempts": 0, "due_at": now}
        self._replay = statement(sa.update(outbox).where(id_, ~live).values(revived), "UPDATE outbox")
        self._replay_all = statement(sa.update(outbox).where(~live).values(revived), "UPDATE outbox")

    async def hand_out(self, tx: Connection, kinds: Sequence[str], *, limit: int, lease_for: timedelta) -> list[Handed]:
        """Mark up to `limit` messages of these kinds as handed to the broker for a while, and give them in order.

        They are due, with no worker or broker, and the first of their aggregate.
        """
        rows = await tx.all(self._hand_out, kinds=list(kinds), limit=limit, lease_for=lease_for)
        rows.sort(key=lambda row: (row.due_at, row.position))
        return [Handed(row.id, row.kind, row.traceparent, row.request_id, row.waited.total_seconds()) for row in rows]

    async def take_back(self, tx: Connection, ids: Sequence[UUID]) -> None:
        """Undo `hand_out` of messages that the broker did not get, unless a worker has them by now."""
        await tx.execute(self._take_back, ids=list(ids))

    async def take_all_back(self, tx: Connection) -> int:
        """Undo `hand_out` of every message that no worker has yet, and say of how many: the broker has lost them."""
        return await tx.execute(self._take_all_back)

    async def take(self, tx: Connection, id: UUID, lease: UUID, lease_for: timedelta) -> Message | None:  # noqa: A002 - the field's name
        """Give a worker the message, or None: it was handled, is dead, is not due again yet, or another one has it."""
        row = await tx.one(self._take, id=id, lease=lease, lease_for=lease_for)
        return Message(**row._asdict()) if row else None

    async def prolong(self, tx: Connection, messages: Sequence[Message], lease_for: timedelta) -> None:
        """Keep these messages for as long again, those that are still held."""
        ids, leases = [message.id for message in messages], [message.lease for message in messages]
        await tx.execute(self._prolong, ids=ids, leases=leases, lease_for=lease_for)

    async def held(self, connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
        """Give those of these messages that a worker has."""
        return {row.id for row in await connection.all(self._held, ids=list(ids))}

    async def give_back(self, tx: Connection, message: Message) -> bool:
        """Let another worker have the message, as if this attempt had not begun; False if it was not held."""
        return bool(await tx.execute(self._give_back, id=message.id, held=message.lease))

    async def finish(self, tx: Connection, message: Message) -> bool:
        """Record that the message is handled; False if it was before, or its lease ran out and another worker has it.

        From here to the end of the transaction nobody else can take the message.
        """
        return bool(await tx.execute(self._finish, id=message.id, held=message.lease))

    async def retry(
        self, tx: Connection, message: Message, error: str, *, delay: timedelta, due_at: datetime | None
    ) -> bool:
        """Have the message wait for its next attempt, until `due_at` or for `delay`; False if it was not held."""
        values = {"error": error[:LONGEST_ERROR], "delay": delay, "due_at": due_at}
        return bool(await tx.execute(self._retry, id=message.id, held=message.lease, **values))

    async def bury(self, tx: Connection, message: Message, error: str) -> bool:
        """Make the message a dead letter; False if it was not held."""
        return bool(await tx.execute(self._bury, id=message.id, held=message.lease, error=error[:LONGEST_ERROR]))

    async def dead(self, connection: Connection, limit: int) -> list[Any]:
        """Give the rows of up to `limit` dead letters, the oldest first."""
        return await connection.all(self._dead, limit=limit)

    async def waiting(self, connection: Connection, limit: int) -> list[Any]:
        """Give the rows of up to `limit` messages that are not handled yet, the next one first."""
        return await connection.all(self._waiting, limit=limit)

    async def replay(self, connection: Connection, id: UUID | None) -> int:  # noqa: A002 - the field's name
        """Let one dead letter (None: each) live again, with all its attempts, and say how many there were."""
        if id is None:
            return await connection.execute(self._replay_all)
        return await connection.execute(self._replay, id=id)

    async def count(self, connection: Connection) -> Counts:
        """Count the messages by state."""
        row = await connection.one(self._count)
        return Counts(row.waiting, row.leased, row.dead, float(row.oldest_age_s))
