"""The SQL of search: bounded work, however common a word is and however many messages there are.

An index of words gives all messages with a word, in no order: of a common one far too many. So each message carries,
beside its words, the names of the blocks of message numbers that it lies in: blocks of 1,024, of 4,096, of 16,384 and
so on. A search goes from the newest messages back, through blocks that grow as they get older, asking the index for the
words *and* the block, and stops when it has found MOST_MATCHES messages. A rare word is looked for in all blocks, which
are few; a common one in the newest alone. Words are looked for as they are; when no message has them all, as beginnings
of words, which the index can't combine with blocks: then any MOST_MATCHES messages do.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from chassis.search import matches
from support.tables import LEVELS, block_name, messages, tickets

MOST_MATCHES: Final = 500
"""A search looks at about so many of the newest messages that match."""

_TSQUERY: Final = sa.dialects.postgresql.TSQUERY
_text = sa.bindparam("text", type_=sa.Text)
_words = sa.func.plainto_tsquery(sa.literal_column("'simple'::regconfig"), _text)


def _statement(found: sa.Select[Any]) -> Statement:
    return statement(found.limit(MOST_MATCHES + 1), "SELECT messages")


_NEWEST = statement(sa.select(sa.func.coalesce(sa.func.max(messages.c.number), 0).label("number")), "SELECT messages")

_blocks = sa.func.unnest(sa.bindparam("blocks", type_=sa.ARRAY(sa.Text))).table_valued("block").render_derived("blocks")
_in_block = (
    sa.select(messages.c.ticket_id)
    # A text without words is found nowhere; `&&` alone would leave the block, and so everything.
    .where(
        sa.func.numnode(_words) > 0,
        messages.c.search.op("@@")(_words.op("&&")(sa.cast(_blocks.c.block, _TSQUERY))),
    )
    .correlate(_blocks)
    .lateral("found")
)
_BY_WORDS = _statement(sa.select(_in_block.c.ticket_id).select_from(_blocks.join(_in_block, sa.true())))
_BY_BEGINNINGS = _statement(sa.select(messages.c.ticket_id).where(matches(messages.c.search, _text)))

_of_requester = (
    sa.select(messages.c.ticket_id)
    .join(tickets, tickets.c.id == messages.c.ticket_id)
    .where(tickets.c.requester_id == sa.bindparam("requester_id", type_=sa.Uuid))
)


def _own(condition: sa.ColumnElement[bool], *, public_only: bool) -> Statement:
    found = _of_requester.where(condition)
    return _statement(found.where(~messages.c.internal) if public_only else found)


_OWN: Final = {
    public_only: (
        _own(messages.c.search.op("@@")(_words), public_only=public_only),
        _own(matches(messages.c.search, _text), public_only=public_only),
    )
    for public_only in (False, True)
}


@dataclass(frozen=True)
class Found:
    """The tickets that mention a text: all of them, or without `complete` those with the newest mentions."""

    ticket_ids: list[UUID]
    complete: bool


async def mentions(connection: Connection, text: str) -> Found:
    """Find the tickets that mention every word of a text, in subject and first message or in one later message."""
    newest = (await connection.one(_NEWEST)).number
    blocks = [f"'{name}'" for name in blocks_down_from(newest)]
    return _found(
        await connection.all(_BY_WORDS, text=text, blocks=blocks) or await connection.all(_BY_BEGINNINGS, text=text)
    )


async def mentions_of(connection: Connection, text: str, requester_id: UUID, *, with_notes: bool) -> Found:
    """Find the same among the tickets of one requester, as many as they are."""
    by_words, by_beginnings = _OWN[not with_notes]
    given = {"text": text, "requester_id": requester_id}
    return _found(await connection.all(by_words, **given) or await connection.all(by_beginnings, **given))


def _found(rows: list[Any]) -> Found:
    return Found(list({row.ticket_id for row in rows[:MOST_MATCHES]}), complete=len(rows) <= MOST_MATCHES)


def blocks_down_from(number: int) -> list[str]:
    """Give the names of blocks that hold every number from this one down to 0 once, from the newest to the oldest."""
    names = []
    position = number
    for level in LEVELS:
        index = position >> level
        last = level == LEVELS[-1]
        oldest = 0 if last else index - index % 4
        names += [block_name(level, each) for each in range(index, oldest - 1, -1)]
        position = (oldest << level) - 1
        if position < 0:
            break
    return names
