"""The scheduler: puts a message into the outbox for each due time of each periodic job. Any number may run."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import psycopg

from chassis.database import Connection
from chassis.errors import DomainError
from chassis.house import House
from chassis.jobs.declaration import Job
from chassis.jobs.runs import RunStore

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
WAITING: Final = "waiting"
SKIPPED: Final = "skipped"
FIRST_SEEN: Final = "first seen"
"""The outcome on record of a job that was new, from when its due times count."""


class Scheduler:
    """Decides by the row of a job and its due time: who inserts it puts the message, in the same transaction."""

    def __init__(self, jobs: Iterable[Job[Any]], runs: RunStore, house: House[Any]) -> None:
        self._jobs = [job for job in jobs if job.schedule is not None]
        self._runs = runs
        self._house = house
        self._next: dict[str, datetime] = {}
        self._looked_at: datetime | None = None
        self.works = False
        """Whether PostgreSQL answered the last time."""

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            try:
                async with self._house.database.connection() as connection:
                    now = await self._runs.now(connection)
                await self.look(now)
            except (DomainError, psycopg.Error) as away:
                if self.works:
                    log.warning("nothing can be scheduled: %s", away)
                self.works = False
            else:
                self.works = True
            await asyncio.sleep(LOOK_S)

    async def look(self, now: datetime) -> list[str]:
        """Put what is due at `now`, and give the kinds of which this scheduler had the run."""
        if self._looked_at is not None and now < self._looked_at:
            self._next.clear()  # the clock was set back, so what was worked out may be far ahead
        self._looked_at = now
        return [job.kind for job in self._jobs if now >= self._next.get(job.kind, now) and await self._put(job, now)]

    async def _put(self, job: Job[Any], now: datetime) -> bool:
        if job.schedule is None:
            return False
        async with self._house.database.transaction() as tx:
            last = await self._runs.last(tx, job.kind, now)
            if last is None:
                await self._runs.begin(tx, job.kind, now, FIRST_SEEN)
                last = now
            due = job.schedule.latest(last, now, self._house.settings)
            mine = due is not None and await self._begin(tx, job.kind, due)
        self._next[job.kind] = next(job.schedule.after(due or last, self._house.settings))
        return mine

    async def _begin(self, tx: Connection, kind: str, due: datetime) -> bool:
        """Put the message of a run; a run is skipped while the one before it still waits or runs."""
        aggregate = f"periodic {kind}"
        busy = await self._runs.unhandled(tx, aggregate)
        mine = await self._runs.begin(tx, kind, due, SKIPPED if busy else WAITING)
        if mine and not busy:
            await self._house.outbox.put(tx, kind, {"due_at": due.isoformat()}, aggregate=aggregate)
        return mine and not busy
