"""Runs a service's jobs inside a test: the worker's own code, without Celery between."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import statement
from chassis.house import House
from chassis.jobs.consumer import Consumer
from chassis.jobs.store import JobStore
from chassis.service import Service

_HANDED: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Ran:
    """A message that was tried and what became of it: succeeded, failed, dead or lost."""

    id: UUID
    kind: str
    outcome: str


class JobRunner:
    """Call it to run every job that is due, those that these put included, until none is left."""

    def __init__(self, service: Service[Any], house: House[Any]) -> None:
        self.store = JobStore(service.job_tables)
        self._house = house
        self._kinds = [job.kind for job in service.all_jobs]
        self._consumer = Consumer(service.name, service.all_jobs, self.store, house)
        outbox, length = service.job_tables.outbox, sa.bindparam("length", type_=sa.Interval)
        self._shift = statement(
            sa.update(outbox).values(due_at=outbox.c.due_at - length, leased_until=outbox.c.leased_until - length),
            "UPDATE outbox",
        )

    async def __call__(self) -> list[Ran]:
        """Run what is due, one after another in order, and give what became of each."""
        ran: list[Ran] = []
        while True:
            async with self._house.database.transaction() as tx:
                batch = await self.store.hand_out(tx, self._kinds, limit=100, lease_for=_HANDED)
            if not batch:
                return ran
            for handed in batch:
                outcome = await self._consumer.handle(handed.id)
                if outcome is not None:
                    ran.append(Ran(handed.id, handed.kind, outcome))

    async def next(self) -> Ran | None:
        """Run what is due next, beside other calls of this, and give what became of it; None if nothing is due."""
        async with self._house.database.transaction() as tx:
            batch = await self.store.hand_out(tx, self._kinds, limit=1, lease_for=_HANDED)
        for handed in batch:
            outcome = await self._consumer.handle(handed.id)
            return Ran(handed.id, handed.kind, outcome) if outcome is not None else None
        return None

    async def pass_time(self, length: timedelta) -> None:
        """Let this much time go by for every message: back-offs and leases are nearer to their end."""
        async with self._house.database.connection() as connection:
            await connection.execute(self._shift, length=length)
