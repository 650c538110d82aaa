"""The SQL of following histories: by their numbers, which within a ticket grow in the order of the commits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from support.model.message import Entry, Message
from support.store.threads import ENTRY, MESSAGE, entry_of, message_of
from support.tables import history, messages

_UUIDS: Final = sa.ARRAY(sa.Uuid)
_ticket_id = sa.bindparam("ticket_id", type_=sa.Uuid)
_wanted = sa.func.unnest(sa.bindparam("ids", type_=_UUIDS)).table_valued("id").render_derived()

_LATEST = statement(
    sa.select(
        _wanted.c.id,
        sa.select(sa.func.max(history.c.number))
        .where(history.c.ticket_id == _wanted.c.id)
        .scalar_subquery()
        .label("number"),
    ),
    "SELECT history",
)
_MESSAGES = statement(
    sa.select(*MESSAGE).where(messages.c.id == sa.func.any(sa.bindparam("ids", type_=_UUIDS))), "SELECT messages"
)


@dataclass(frozen=True)
class Place:
    """An entry of a history, after which something is read; 0 where entries have no numbers yet."""

    id: UUID
    number: int


async def latest(connection: Connection, ticket_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """Give the highest number of each ticket's entries, 0 when none has one."""
    return {row.id: row.number or 0 for row in await connection.all(_LATEST, ids=list(ticket_ids))}


async def newest(connection: Connection, ticket_id: UUID, *, with_internal: bool) -> Place:
    """Give the newest entry of a ticket; there is one, that of its opening."""
    for numbered in (True, False):
        row = await connection.one(_newest(numbered=numbered, with_internal=with_internal), ticket_id=ticket_id)
        if row is not None:
            return Place(row.id, row.number or 0)
    raise LookupError(f"ticket {ticket_id} has no history")


async def place(connection: Connection, ticket_id: UUID, entry_id: UUID, *, with_internal: bool) -> Place | None:
    """Give the place of an entry; None when the ticket has none with this id that may be seen, or nobody knows."""
    row = await connection.one(_place(with_internal=with_internal), ticket_id=ticket_id, id=entry_id)
    if row is None or row.number is not None:
        return Place(entry_id, row.number) if row else None
    last = await connection.one(_newest(numbered=False, with_internal=with_internal), ticket_id=ticket_id)
    return Place(entry_id, 0) if last.id == entry_id else None


async def after(
    connection: Connection, ticket_id: UUID, number: int, most: int, *, with_internal: bool
) -> Sequence[tuple[int, Entry]]:
    """Give the first entries with a higher number, `most` at most, each with its own."""
    rows = await connection.all(_after(with_internal=with_internal), ticket_id=ticket_id, number=number, most=most)
    return [(row.number, entry_of(row)) for row in rows]


async def messages_of(connection: Connection, entries: Sequence[Entry]) -> Mapping[UUID, Message]:
    """Give the messages that entries are about, by id."""
    ids = [entry.message_id for entry in entries if entry.message_id is not None]
    return {row.id: message_of(row) for row in await connection.all(_MESSAGES, ids=ids)} if ids else {}


def _of(ticket: sa.Select[Any], *, with_internal: bool) -> sa.Select[Any]:
    wanted = ticket.where(history.c.ticket_id == _ticket_id)
    return wanted if with_internal else wanted.where(~history.c.internal)


@lru_cache
def _newest(*, numbered: bool, with_internal: bool) -> Statement:
    wanted = _of(sa.select(history.c.id, history.c.number), with_internal=with_internal)
    if numbered:
        wanted = wanted.where(history.c.number.is_not(None)).order_by(history.c.number.desc())
    else:
        wanted = wanted.where(history.c.number.is_(None)).order_by(history.c.created_at.desc(), history.c.id.desc())
    return statement(wanted.limit(1), "SELECT history")


@lru_cache
def _place(*, with_internal: bool) -> Statement:
    wanted = _of(sa.select(history.c.number), with_internal=with_internal)
    return statement(wanted.where(history.c.id == sa.bindparam("id", type_=sa.Uuid)), "SELECT history")


@lru_cache
def _after(*, with_internal: bool) -> Statement:
    wanted = _of(sa.select(history.c.number, *ENTRY), with_internal=with_internal)
    wanted = wanted.where(history.c.number > sa.bindparam("number", type_=sa.BigInteger))
    most = sa.bindparam("most", type_=sa.Integer)
    return statement(wanted.order_by(history.c.number).limit(most), "SELECT history")
