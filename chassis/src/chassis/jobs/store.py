"""All SQL on the tables of jobs. Every moment is the database's own, since the clocks of workers differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chassis.database import Connection, statement
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
        outbox, handled, runs = tables.outbox, tables.handled, tables.schedule_runs
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
            .where(outbox.c.lease == sa.any_(sa.bindparam("leases", type_=ARRAY(sa.Uuid))))
            .values(leased_until=until),
            "UPDATE outbox",
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

        job, due_at = sa.bindparam("job", type_=sa.Text), sa.bindparam("due_at", type_=MOMENT)
        self._now = statement(sa.select(sa.func.clock_timestamp().label("now")), "SELECT clock_timestamp")
        self._last_run = statement(
            sa.select(sa.func.max(runs.c.due_at).label("due_at")).where(
                runs.c.job == job, runs.c.due_at <= sa.bindparam("now", type_=MOMENT)
            ),
            "SELECT schedule_runs",
        )
        self._begin_run = statement(
            insert(runs)
            .values(job=job, due_at=due_at, outcome=sa.bindparam("outcome", type_=sa.Text))
            .on_conflict_do_nothing(index_elements=["job", "due_at"]),
            "INSERT schedule_runs",
        )
        newest = sa.select(runs.c.job, sa.func.max(runs.c.due_at)).group_by(runs.c.job)
        self._last_runs = statement(
            sa.select(runs.c.job, runs.c.due_at, runs.c.finished_at, runs.c.outcome, runs.c.error).where(
                sa.tuple_(runs.c.job, runs.c.due_at).in_(newest)
            ),
            "SELECT schedule_runs",
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
        run = sa.and_(
            runs.c.job == sa.bindparam("of_job", type_=sa.Text),
            runs.c.due_at == sa.bindparam("of_due_at", type_=MOMENT),
        )
        self._run_ended = statement(
            sa.update(runs)
            .where(run)
            .values(outcome=sa.bindparam("outcome", type_=sa.Text), error=error, finished_at=now),
            "UPDATE schedule_runs",
        )

    async def hand_out(self, tx: Connection, kinds: Sequence[str], *, limit: int, lease_for: timedelta) -> list[Handed]:
        """Mark up to `limit` messages of these kinds as handed to the broker for a while, and give them in order.

        They are due, with no worker or broker, and the first of their aggregate.
        """
        rows = await tx.all(self._hand_out, kinds=list(kinds), limit=limit, lease_for=lease_for)
        rows.sort(key=lambda row: (row.due_at, row.position))
        return [Handed(row.id, row.kind, row.traceparent, row.request_id) for row in rows]

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

    async def prolong(self, tx: Connection, leases: Sequence[UUID], lease_for: timedelta) -> None:
        """Keep the messages under these leases for as long again."""
        await tx.execute(self._prolong, leases=list(leases), lease_for=lease_for)

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

    async def run_ended(self, tx: Connection, job: str, due_at: datetime, outcome: str, error: str | None) -> None:
        """Record how a run of a periodic job ended."""
        await tx.execute(self._run_ended, of_job=job, of_due_at=due_at, outcome=outcome, error=error)

    async def now(self, connection: Connection) -> datetime:
        """Give the database's clock."""
        moment: datetime = (await connection.one(self._now)).now
        return moment

    async def last_run(self, connection: Connection, job: str, now: datetime) -> datetime | None:
        """Give the last due time on record of a periodic job that is not after `now`, or None."""
        moment: datetime | None = (await connection.one(self._last_run, job=job, now=now)).due_at
        return moment

    async def begin_run(self, tx: Connection, job: str, due_at: datetime, outcome: str) -> bool:
        """Claim a run of a periodic job; False if another scheduler has it."""
        return bool(await tx.execute(self._begin_run, job=job, due_at=due_at, outcome=outcome))

    async def last_runs(self, connection: Connection) -> dict[str, Any]:
        """Give the row of the last run of each periodic job (due_at, finished_at, outcome, error)."""
        return {row.job: row for row in await connection.all(self._last_runs)}

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
