"""Periodic jobs that every service has: what has had its time is removed, in batches that are in nobody's way."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from chassis.database import Database, Statement, statement
from chassis.jobs.declaration import SLOW, Jobs
from chassis.jobs.tables import JobTables
from chassis.jobs.work import Work
from chassis.settings import ServiceSettings

BATCH: Final = 1_000
"""Rows of one transaction: some milliseconds, the longest that a writer of such a row waits."""
PAUSE_S: Final = 0.02
"""Between two batches, so that a large clean-up leaves the disk and the processor to others."""
BUDGET_S: Final = 240.0
"""After so long the rest is left to the next run."""
_SKEW: Final = timedelta(seconds=5)
"""How much longer an idempotency key is kept than it is valid, for services whose clocks differ."""
_RUNS_KEPT: Final = timedelta(days=30)


def old_rows(table: sa.Table, old: sa.ColumnElement[bool], order: sa.ColumnElement[datetime]) -> Statement:
    """Compile the removal of up to BATCH rows that are `old`, without waiting for any that someone works on.

    `old` may have the parameter `kept` (an interval).
    """
    key = list(table.primary_key.columns)
    batch = sa.select(*key).where(old).order_by(order).limit(BATCH).with_for_update(skip_locked=True).cte("batch")
    return statement(
        sa.delete(table).where(sa.and_(*(column == batch.c[column.name] for column in key))), f"DELETE {table.name}"
    )


def expired_keys(idempotency_keys: sa.Table) -> Statement:
    """Compile the removal of a batch of keys that expired longer than `kept` ago."""
    expires_at = idempotency_keys.c.expires_at
    return old_rows(idempotency_keys, expires_at < _before(), expires_at)


def _before() -> sa.ColumnElement[datetime]:
    return sa.func.now() - sa.bindparam("kept", type_=sa.Interval)


async def remove(
    database: Database, rows: Statement, *, budget_s: float = BUDGET_S, **parameters: object
) -> AsyncIterator[int]:
    """Remove old rows batch by batch, giving the size of each, until none is left or `budget_s` is over."""
    deadline = time.monotonic() + budget_s
    while time.monotonic() < deadline:
        async with database.connection() as connection:
            removed = await connection.execute(rows, **parameters)
        yield removed
        if removed < BATCH:
            return
        await asyncio.sleep(PAUSE_S)


def cleanups(idempotency_keys: sa.Table, tables: JobTables) -> Jobs[ServiceSettings]:
    """Give the clean-ups of a service with these tables."""
    outbox, handled, runs = tables.outbox, tables.handled, tables.schedule_runs
    before = _before()
    old_keys = expired_keys(idempotency_keys)
    old_handled = old_rows(handled, handled.c.handled_at < before, handled.c.handled_at)
    old_dead = old_rows(outbox, outbox.c.dead_at < before, outbox.c.dead_at)
    later = runs.alias("later")
    newer = sa.exists().where(later.c.job == runs.c.job, later.c.due_at > runs.c.due_at)
    old_runs = old_rows(runs, sa.and_(runs.c.due_at < before, newer), runs.c.due_at)

    jobs = Jobs[ServiceSettings]()

    @jobs.periodic("idempotency.cleanup", every=lambda s: timedelta(seconds=s.cleanup_interval_seconds), queue=SLOW)
    async def _remove_expired_keys(work: Work[ServiceSettings]) -> None:
        async for _ in remove(work.house.database, old_keys, kept=_SKEW):
            pass

    @jobs.periodic("jobs.cleanup", every=timedelta(hours=1), queue=SLOW)
    async def _remove_old_traces(work: Work[ServiceSettings]) -> None:
        settings, database = work.house.settings, work.house.database
        async for _ in remove(database, old_handled, kept=timedelta(days=settings.handled_retention_days)):
            pass
        async for _ in remove(database, old_runs, kept=_RUNS_KEPT):
            pass
        if settings.dead_letter_retention_days is not None:
            async for _ in remove(database, old_dead, kept=timedelta(days=settings.dead_letter_retention_days)):
                pass

    return jobs
