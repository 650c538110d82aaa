"""The SQL of canned replies."""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from support.model.canned_reply import CannedReply
from support.tables import canned_replies

BY_TITLE: Final = Order("title", ("title", "id"), descending=False)

_id = sa.bindparam("id", type_=sa.Uuid)
_wanted = sa.select(*canned_replies.c).where(canned_replies.c.id == _id)
_GET = statement(_wanted, "SELECT canned_replies")
_GET_FOR_CHANGE = statement(_wanted.with_for_update(), "SELECT canned_replies")
_INSERT = statement(
    sa.insert(canned_replies).values({c.name: sa.bindparam(c.name, type_=c.type) for c in canned_replies.c}),
    "INSERT canned_replies",
)
_CHANGEABLE: Final = ("title", "body", "updated_at", "version")
_UPDATE = statement(
    sa.update(canned_replies)
    .where(canned_replies.c.id == _id)
    .values({name: sa.bindparam(name, type_=canned_replies.c[name].type) for name in _CHANGEABLE}),
    "UPDATE canned_replies",
)
_DELETE = statement(sa.delete(canned_replies).where(canned_replies.c.id == _id), "DELETE canned_replies")
_LIST: Final = Listing([sa.select(*canned_replies.c)], BY_TITLE, "canned_replies")


async def get(connection: Connection, id: UUID) -> CannedReply | None:  # noqa: A002 - the field's name
    """Give a canned reply, or None."""
    row = await connection.one(_GET, id=id)
    return _canned_reply(row) if row else None


async def get_for_change(tx: Connection, id: UUID) -> CannedReply | None:  # noqa: A002 - the field's name
    """Give a canned reply, and let no other transaction change it until this one ends; or None."""
    row = await tx.one(_GET_FOR_CHANGE, id=id)
    return _canned_reply(row) if row else None


async def insert(tx: Connection, reply: CannedReply) -> None:
    """Store a new canned reply."""
    await tx.execute(_INSERT, **{c.name: getattr(reply, c.name) for c in canned_replies.c})


async def update(tx: Connection, reply: CannedReply) -> None:
    """Store a canned reply that `get_for_change` gave, as it is now."""
    await tx.execute(_UPDATE, id=reply.id, **{name: getattr(reply, name) for name in _CHANGEABLE})


async def delete(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Remove a canned reply."""
    await tx.execute(_DELETE, id=id)


async def page(connection: Connection, request: PageRequest, cursors: Cursors, scope: str) -> Page[CannedReply]:
    """Give one page, by title."""
    found = await _LIST.page(connection, request, cursors, scope)
    return found.of([_canned_reply(row) for row in found.rows])


def _canned_reply(row: Any) -> CannedReply:
    return CannedReply(**{c.name: getattr(row, c.name) for c in canned_replies.c})
