"""All SQL on the runs of periodic jobs."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Connection, statement
from chassis.jobs.tables import MOMENT, JobTables


class RunStore:
    """The runs of one service's periodic jobs."""

    def __init__(self, tables: JobTables) -> None:
        outbox, runs = tables.outbox, tables.schedule_runs
        job, due_at = sa.bindparam("job", type_=sa.Text), sa.bindparam("due_at", type_=MOMENT)
        self._now = statement(sa.select(sa.func.clock_timestamp().label("now")), "SELECT clock_timestamp")
        self._last = statement(
            sa.select(sa.func.max(runs.c.due_at).label("due_at")).where(
                runs.c.job == job, runs.c.due_at <= sa.bindparam("now", type_=MOMENT)
            ),
            "SELECT schedule_runs",
        )
        self._begin = statement(
            insert(runs)
            .values(job=job, due_at=due_at, outcome=sa.bindparam("outcome", type_=sa.Text))
            .on_conflict_do_nothing(index_elements=["job", "due_at"]),
            "INSERT schedule_runs",
        )
        newest = sa.select(runs.c.job, sa.func.max(runs.c.due_at)).group_by(runs.c.job)
        self._unhandled = statement(
            sa.select(
                sa.exists()
                .where(outbox.c.aggregate == sa.bindparam("aggregate", type_=sa.Text), outbox.c.dead_at.is_(None))
                .label("there")
            ),
            "SELECT outbox",
        )
        self._latest = statement(
            sa.select(runs.c.job, runs.c.due_at, runs.c.finished_at, runs.c.outcome, runs.c.error).where(
                sa.tuple_(runs.c.job, runs.c.due_at).in_(newest)
            ),
            "SELECT schedule_runs",
        )
        run = sa.and_(
            runs.c.job == sa.bindparam("of_job", type_=sa.Text),
            runs.c.due_at == sa.bindparam("of_due_at", type_=MOMENT),
        )
        self._end = statement(
            sa.update(runs)
            .where(run)
            .values(
                outcome=sa.bindparam("outcome", type_=sa.Text),
                error=sa.bindparam("error", type_=sa.Text),
                finished_at=sa.func.now(),
            ),
            "UPDATE schedule_runs",
        )

    async def now(self, connection: Connection) -> datetime:
        """Give the database's clock."""
        moment: datetime = (await connection.one(self._now)).now
        return moment

    async def last(self, connection: Connection, job: str, now: datetime) -> datetime | None:
        """Give the last due time on record of a periodic job that is not after `now`, or None."""
        moment: datetime | None = (await connection.one(self._last, job=job, now=now)).due_at
        return moment

    async def begin(self, tx: Connection, job: str, due_at: datetime, outcome: str) -> bool:
        """Claim a run of a periodic job; False if another scheduler has it."""
        return bool(await tx.execute(self._begin, job=job, due_at=due_at, outcome=outcome))

    async def unhandled(self, tx: Connection, aggregate: str) -> bool:
        """Say whether a message of this aggregate waits or is being handled."""
        return bool((await tx.one(self._unhandled, aggregate=aggregate)).there)

    async def latest(self, connection: Connection) -> dict[str, Any]:
        """Give the row of the last run of each periodic job (due_at, finished_at, outcome, error)."""
        return {row.job: row for row in await connection.all(self._latest)}

    async def end(self, tx: Connection, job: str, due_at: datetime, outcome: str, error: str | None) -> None:
        """Record how a run of a periodic job ended."""
        await tx.execute(self._end, of_job=job, of_due_at=due_at, outcome=outcome, error=error)
