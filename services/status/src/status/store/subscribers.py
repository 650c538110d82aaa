"""All SQL on mail subscribers, and on who has webhooks."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Page, PageRequest, both_ways
from status.model.subscribers import Subscriber
from status.store.rows import insertion
from status.tables import MOMENT, subscribers, webhook_tables

_, NEWEST_FIRST = both_ways("created_at")
_FORGOTTEN_AT_ONCE: Final = 1_000
_FIRST: Final = UUID(int=0)

_id = sa.bindparam("id", type_=sa.Uuid)
_after = sa.bindparam("after", type_=sa.Uuid)
_limit = sa.bindparam("limit", type_=sa.Integer)
_endpoints = webhook_tables.endpoints

_GET = statement(sa.select(*subscribers.c).where(subscribers.c.id == _id), "SELECT subscribers")
_GET_FOR_CHANGE = statement(
    sa.select(*subscribers.c).where(subscribers.c.id == _id).with_for_update(), "SELECT subscribers"
)
_BY_KEY = statement(
    sa.select(*subscribers.c)
    .where(subscribers.c.email_key == sa.bindparam("email_key", type_=sa.Text))
    .with_for_update(),
    "SELECT subscribers",
)
_INSERT = insertion(subscribers, unless="email_key")
_UPDATE = statement(
    sa.update(subscribers)
    .where(subscribers.c.id == _id)
    .values(asked_at=sa.bindparam("asked_at", type_=MOMENT), confirmed_at=sa.bindparam("confirmed_at", type_=MOMENT)),
    "UPDATE subscribers",
)
_DELETE = statement(sa.delete(subscribers).where(subscribers.c.id == _id), "DELETE subscribers")
_CONFIRMED = statement(
    sa.select(*subscribers.c)
    .where(subscribers.c.confirmed_at.is_not(None), subscribers.c.id > _after)
    .order_by(subscribers.c.id)
    .limit(_limit),
    "SELECT subscribers",
)
_FORGET = statement(
    sa.delete(subscribers).where(
        subscribers.c.id.in_(
            sa.select(subscribers.c.id)
            .where(subscribers.c.confirmed_at.is_(None), subscribers.c.asked_at < sa.bindparam("before", type_=MOMENT))
            .limit(sa.literal_column(str(_FORGOTTEN_AT_ONCE)))
        )
    ),
    "DELETE subscribers",
)
_OWNERS = statement(
    sa.select(_endpoints.c.owner_id)
    .distinct()
    .where(_endpoints.c.owner_id > _after)
    .order_by(_endpoints.c.owner_id)
    .limit(_limit),
    "SELECT webhook_endpoints",
)
LISTING: Final = Listing([sa.select(*subscribers.c)], NEWEST_FIRST, "subscribers", counted_in_order=True)


async def get(connection: Connection, id: UUID) -> Subscriber | None:  # noqa: A002 - the field's name
    """Give a subscriber, or None."""
    return _found(await connection.one(_GET, id=id))


async def get_for_change(tx: Connection, id: UUID) -> Subscriber | None:  # noqa: A002 - the field's name
    """Give a subscriber, or None, and let no other transaction change it until this one ends."""
    return _found(await tx.one(_GET_FOR_CHANGE, id=id))


async def insert_or_get(tx: Connection, subscriber: Subscriber) -> Subscriber:
    """Store a new subscriber and give it, or give the one that has the address, locked."""
    while True:
        if await tx.execute(_INSERT, **vars(subscriber)):
            return subscriber
        found = _found(await tx.one(_BY_KEY, email_key=subscriber.email_key))
        if found is not None:  # else it went away in between
            return found


async def update(tx: Connection, subscriber: Subscriber) -> None:
    """Store when a subscriber, which the caller has locked, was asked and has confirmed."""
    await tx.execute(_UPDATE, id=subscriber.id, asked_at=subscriber.asked_at, confirmed_at=subscriber.confirmed_at)


async def delete(tx: Connection, id: UUID) -> bool:  # noqa: A002 - the field's name
    """Remove a subscriber; say whether there was one."""
    return bool(await tx.execute(_DELETE, id=id))


async def page(connection: Connection, request: PageRequest, cursors: Cursors, scope: str) -> Page[Subscriber]:
    """Give one page of all subscribers."""
    found = await LISTING.page(connection, request, cursors, scope)
    return found.of([_subscriber(row) for row in found.rows])


async def list_confirmed(connection: Connection, after: UUID | None, limit: int) -> list[Subscriber]:
    """Give those that have confirmed, by id, from behind `after` on."""
    rows = await connection.all(_CONFIRMED, after=after or _FIRST, limit=limit)
    return [_subscriber(row) for row in rows]


async def list_webhook_owners(connection: Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Give the people who have webhooks, by id, from behind `after` on."""
    return [row.owner_id for row in await connection.all(_OWNERS, after=after or _FIRST, limit=limit)]


async def forget(connection: Connection, before: datetime) -> int:
    """Remove some of those that were last asked before this and never confirmed; give how many, 0 for none left."""
    return await connection.execute(_FORGET, before=before)


def _found(row: Any) -> Subscriber | None:
    return _subscriber(row) if row else None


def _subscriber(row: Any) -> Subscriber:
    return Subscriber(**{column.name: getattr(row, column.name) for column in subscribers.c})
