"""The SQL of messages, their attachments, and histories."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from support.model.message import Attachment, Entry, Event, Message
from support.model.ticket import Change
from support.tables import attachments, history, messages

MESSAGE: Final = tuple(c for c in messages.c if c.name not in {"title", "number", "search"})
ENTRY: Final = tuple(c for c in history.c if c.name != "number")

_id = sa.bindparam("id", type_=sa.Uuid)
_ticket_id = sa.bindparam("ticket_id", type_=sa.Uuid)


def _given(table: sa.Table, *names: str) -> dict[str, sa.BindParameter[Any]]:
    return {name: sa.bindparam(name, type_=table.c[name].type) for name in names or table.c.keys()}


_INSERT_MESSAGE = statement(
    sa.insert(messages).values(_given(messages, *(c.name for c in messages.c if c.name not in {"number", "search"}))),
    "INSERT messages",
)
_GET_MESSAGE = statement(
    sa.select(*MESSAGE).where(messages.c.id == _id, messages.c.ticket_id == _ticket_id), "SELECT messages"
)
_FIRST_MESSAGE = statement(
    sa.select(messages.c.id)
    .where(messages.c.ticket_id == _ticket_id)
    .order_by(messages.c.created_at, messages.c.id)
    .limit(1),
    "SELECT messages",
)
_RETITLE = statement(
    sa.update(messages).where(messages.c.id == _id).values(_given(messages, "title")), "UPDATE messages"
)
_COUNT_MESSAGES = statement(
    sa.select(sa.func.count().label("total")).where(messages.c.ticket_id == _ticket_id), "COUNT messages"
)
_INSERT_ATTACHMENT = statement(sa.insert(attachments).values(_given(attachments)), "INSERT attachments")
_GET_ATTACHMENT = statement(
    sa.select(*attachments.c).where(attachments.c.id == _id, attachments.c.ticket_id == _ticket_id),
    "SELECT attachments",
)
_ATTACHMENTS_OF = statement(
    sa.select(*attachments.c)
    .where(attachments.c.message_id == sa.func.any(sa.bindparam("message_ids", type_=sa.ARRAY(sa.Uuid))))
    .order_by(attachments.c.created_at, attachments.c.id),
    "SELECT attachments",
)
_KNOWN = statement(
    sa.select(attachments.c.id).where(attachments.c.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))),
    "SELECT attachments",
)
_INSERT_ENTRY = statement(sa.insert(history).values(_given(history, *(c.name for c in ENTRY))), "INSERT history")


async def insert_message(tx: Connection, message: Message, *, title: str = "") -> None:
    """Store a message; the first one of a ticket has its subject as title, to be found by."""
    await tx.execute(_INSERT_MESSAGE, **{c.name: getattr(message, c.name) for c in MESSAGE}, title=title)


async def retitle(tx: Connection, ticket_id: UUID, title: str) -> None:
    """Let a ticket be found by another subject."""
    await tx.execute(_RETITLE, id=await first_message(tx, ticket_id), title=title)


async def first_message(connection: Connection, ticket_id: UUID) -> UUID:
    """Give the id of the message that a ticket was opened with."""
    first: UUID = (await connection.one(_FIRST_MESSAGE, ticket_id=ticket_id)).id
    return first


async def get_message(connection: Connection, ticket_id: UUID, id: UUID) -> Message | None:  # noqa: A002
    """Give a message of a ticket, or None."""
    row = await connection.one(_GET_MESSAGE, ticket_id=ticket_id, id=id)
    return message_of(row) if row else None


async def count_messages(tx: Connection, ticket_id: UUID) -> int:
    """Give how many messages a ticket has, notes included."""
    return int((await tx.one(_COUNT_MESSAGES, ticket_id=ticket_id)).total)


async def page_of_messages(
    connection: Connection,
    ticket_id: UUID,
    order: Order,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
    *,
    with_notes: bool,
) -> Page[Message]:
    """Give one page of a thread."""
    found = await _messages(order, with_notes=with_notes).page(connection, request, cursors, scope, ticket_id=ticket_id)
    return found.of([message_of(row) for row in found.rows])


async def insert_attachment(tx: Connection, attachment: Attachment) -> None:
    """Store what an attachment is; its content lies elsewhere."""
    await tx.execute(_INSERT_ATTACHMENT, **{c.name: getattr(attachment, c.name) for c in attachments.c})


async def get_attachment(connection: Connection, ticket_id: UUID, id: UUID) -> Attachment | None:  # noqa: A002
    """Give an attachment of a ticket, or None."""
    row = await connection.one(_GET_ATTACHMENT, ticket_id=ticket_id, id=id)
    return _attachment(row) if row else None


async def attachments_of(connection: Connection, messages: Sequence[Message]) -> dict[UUID, list[Attachment]]:
    """Give the attachments of messages, by message, oldest first."""
    found: dict[UUID, list[Attachment]] = {message.id: [] for message in messages}
    for row in await connection.all(_ATTACHMENTS_OF, message_ids=list(found)):
        found[row.message_id].append(_attachment(row))
    return found


async def known_attachments(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Give which of these ids are attachments."""
    return {row.id for row in await connection.all(_KNOWN, ids=list(ids))}


async def insert_entry(tx: Connection, entry: Entry) -> None:
    """Add an entry to a history."""
    changes = Jsonb([[change.field, change.before, change.after] for change in entry.changes])
    row = {c.name: getattr(entry, c.name) for c in ENTRY}
    await tx.execute(_INSERT_ENTRY, **row | {"event": entry.event.value, "changes": changes})


async def page_of_history(
    connection: Connection,
    ticket_id: UUID,
    order: Order,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
    *,
    with_internal: bool,
) -> Page[Entry]:
    """Give one page of a history."""
    found = await _history(order, with_internal=with_internal).page(
        connection, request, cursors, scope, ticket_id=ticket_id
    )
    return found.of([entry_of(row) for row in found.rows])


@lru_cache
def _messages(order: Order, *, with_notes: bool) -> Listing:
    wanted = sa.select(*MESSAGE).where(messages.c.ticket_id == _ticket_id)
    return Listing([wanted if with_notes else wanted.where(~messages.c.internal)], order, "messages")


@lru_cache
def _history(order: Order, *, with_internal: bool) -> Listing:
    wanted = sa.select(*ENTRY).where(history.c.ticket_id == _ticket_id)
    return Listing([wanted if with_internal else wanted.where(~history.c.internal)], order, "history")


def message_of(row: Any) -> Message:
    """Give the message of a row."""
    return Message(**{c.name: getattr(row, c.name) for c in MESSAGE})


def _attachment(row: Any) -> Attachment:
    return Attachment(**{c.name: getattr(row, c.name) for c in attachments.c})


def entry_of(row: Any) -> Entry:
    """Give the entry of a row."""
    return Entry(
        id=row.id,
        ticket_id=row.ticket_id,
        event=Event(row.event),
        actor_id=row.actor_id,
        changes=tuple(Change(*change) for change in row.changes),
        message_id=row.message_id,
        internal=row.internal,
        created_at=row.created_at,
    )
