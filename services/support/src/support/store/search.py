"""The SQL of search: which tickets mention a text.

Of a text that very many mention, those that were written last are found, and those at the head of the list that is
asked for: so whoever narrows the list far enough finds all.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from chassis.search import MOST, Found, Search, has_words, matches
from support.tables import messages, tickets

_text = sa.bindparam("text", type_=sa.Text)

MENTIONS: Final = Search(
    id=messages.c.ticket_id,
    number=messages.c.number,
    words=messages.c.search,
    index=messages.c.search,
    summary="SELECT messages",
)

_of_requester = (
    sa.select(messages.c.ticket_id)
    .join(tickets, tickets.c.id == messages.c.ticket_id)
    .where(tickets.c.requester_id == sa.bindparam("requester_id", type_=sa.Uuid))
)


def _own(condition: sa.ColumnElement[bool], *, public_only: bool) -> Statement:
    found = _of_requester.where(condition).limit(MOST + 1)
    return statement(found.where(~messages.c.internal) if public_only else found, "SELECT messages")


_OWN: Final = {
    public_only: (
        _own(has_words(messages.c.search, _text), public_only=public_only),
        _own(matches(messages.c.search, _text), public_only=public_only),
    )
    for public_only in (False, True)
}


def _held(condition: sa.ColumnElement[bool], *, public_only: bool) -> Statement:
    found = (
        sa.select(messages.c.ticket_id)
        .distinct()
        .where(
            messages.c.ticket_id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))),
            # Hidden from the search index, which would gather all messages with the words.
            sa.func.coalesce(condition, sa.false()),
        )
    )
    return statement(found.where(~messages.c.internal) if public_only else found, "SELECT messages")


_HOLDS: Final = {False: has_words(messages.c.search, _text), True: matches(messages.c.search, _text)}
_HELD: Final = {
    (beginnings, public_only): _held(condition, public_only=public_only)
    for beginnings, condition in _HOLDS.items()
    for public_only in (False, True)
}


async def mentions(connection: Connection, text: str) -> Found:
    """Find the tickets that mention every word of a text, in subject and first message or in one later message."""
    return await MENTIONS.find(connection, text)


async def mentions_of(connection: Connection, text: str, requester_id: UUID, *, with_notes: bool) -> Found:
    """Find the same among the tickets of one requester, as many as they are."""
    by_words, by_beginnings = _OWN[not with_notes]
    given = {"text": text, "requester_id": requester_id}
    rows = await connection.all(by_words, **given)
    found = rows or await connection.all(by_beginnings, **given)
    return Found.of([row.ticket_id for row in found], beginnings=not rows)


async def mentioning(
    connection: Connection, text: str, ids: Sequence[UUID], *, beginnings: bool, with_notes: bool
) -> list[UUID]:
    """Give those of these tickets that have a message with every word of a text, or words that begin with them."""
    rows = await connection.all(_HELD[beginnings, not with_notes], text=text, ids=list(ids))
    return [row.ticket_id for row in rows]
