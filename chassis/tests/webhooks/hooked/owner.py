from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from chassis.database import statement
from chassis.house import House
from chassis.testing.jobs import JobRunner
from chassis.webhooks.management import PageWanted, Webhooks
from chassis.webhooks.model import Attempt, Endpoint, Event
from chassis.webhooks.settings import WebhookSettings
from hooked.tables import webhook_tables

_ENDPOINTS = webhook_tables.endpoints
_SHIFT_RESTS = statement(
    sa.update(_ENDPOINTS).values(
        resting_until=_ENDPOINTS.c.resting_until - sa.bindparam("length", type_=sa.Interval),
    ),
    "UPDATE webhook_endpoints",
)


@dataclass
class Owner:
    """A person with endpoints, and what they do with them, each in a transaction of its own."""

    house: House[WebhookSettings]
    webhooks: Webhooks
    run_jobs: JobRunner
    id: UUID

    async def make(
        self, url: str, *events: str, contact: str = "ines@example.test", description: str = ""
    ) -> tuple[Endpoint, str]:
        async with self.house.database.transaction() as tx:
            return await self.webhooks.create(
                tx, self.id, url=url, events=events, description=description, contact=contact
            )

    async def announce(self, event_type: str = "thing.made", **data: Any) -> None:
        async with self.house.database.transaction() as tx:
            await self.webhooks.announce(tx, self.id, Event(event_type, datetime.now(UTC), data or {"version": 1}))

    async def endpoint(self, endpoint_id: UUID) -> Endpoint:
        async with self.house.database.connection() as connection:
            return await self.webhooks.get(connection, endpoint_id, self.id)

    async def change(self, endpoint_id: UUID, **changes: Any) -> Endpoint:
        async with self.house.database.transaction() as tx:
            return await self.webhooks.change(tx, endpoint_id, self.id, changes, 0)

    async def attempts(self, endpoint_id: UUID, message_id: UUID | None = None) -> list[Attempt]:
        async with self.house.database.connection() as connection:
            page = await self.webhooks.attempts(connection, endpoint_id, self.id, message_id, PageWanted(size=100))
        return page.rows

    async def replay(self, endpoint_id: UUID, message_id: UUID) -> None:
        async with self.house.database.transaction() as tx:
            await self.webhooks.replay(tx, endpoint_id, self.id, message_id)

    async def later(self, length: timedelta) -> None:
        """Let time go by, and do what is due then."""
        await self.pass_time(length)
        await self.run_jobs()

    async def pass_time(self, length: timedelta) -> None:
        await self.run_jobs.pass_time(length)
        async with self.house.database.connection() as connection:
            await connection.execute(_SHIFT_RESTS, length=length)
