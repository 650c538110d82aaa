"""Full-text search in any language, at a cost that depends on neither how common a word is nor how long a table.

Words are taken as they are (PostgreSQL's `simple` configuration). An index of words (GIN) gives all rows with a word,
in no order: of a common one far too many. So a row carries, beside its words, *marks*: words that no text has. Some
name the blocks of row numbers that it lies in, of 1,024, of 4,096, of 16,384 and so on; others may say what lists
filter by. A search goes from the newest rows back, through blocks that grow as they get older, asking the index for
the words *and* the marks *and* the block, and stops when it has found MOST rows. A rare word is looked for in all
blocks, which are few; a common one in the newest alone.

Words are looked for as they are. When no row has them all, they are looked for as beginnings of words, which an index
of words gathers before it looks at anything else: so the newest rows are held against them first, and where many match
there, no others are looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from chassis.database import Connection, statement

MOST: Final = 200
"""A search gives about so many of the newest rows that match."""
LEVELS: Final = tuple(range(10, 26, 2))
"""Blocks hold 2**level numbers; there may be any number of the largest."""

_OF_A_SIZE: Final = 4
"""A search takes at least so many blocks of a size before it goes on to the next, whose blocks hold four each. Asking
the index for one costs some 30 microseconds; what it gives of a block, it gathers before it gives the first."""
_GATHERED: Final = 1_200
"""So many rows of a block are put in order. Those of a word that is spread evenly are fewer, beyond the first block;
of one that only old rows have, a large block may have more, and any of them do."""
_HELD: Final = 1_000
"""So many of the newest rows are held against the beginnings of words."""
_ENOUGH: Final = 20
"""When so many of those match, no others are looked for."""


def document(*columns: str) -> str:
    """Give the SQL of the words in text columns, for a generated column of type tsvector."""
    text = " || ' ' || ".join(columns)
    return f"to_tsvector('simple'::regconfig, {text})"


def marks(*names: str) -> str:
    """Give the SQL of a tsvector of marks, each an SQL text that begins with @, as no word of a text does."""
    return f"array_to_tsvector(ARRAY[{', '.join(names)}])"


def block_marks(number: str) -> Sequence[str]:
    """Give the SQL texts that name the blocks of a row, whose number stands in this column."""
    return [f"'@{level}:' || ({number} >> {level})" for level in LEVELS]


def query(text: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    """Give the tsquery for every word of `text` at the beginning of a word; a text without words matches nothing.

    The words are found by the same parser that made the vector, so that addresses and hyphenated words match too.
    """
    prefixes = sa.func.regexp_replace(
        sa.cast(_words(text), sa.Text),
        sa.literal_column("'''( &|$)'"),
        sa.literal_column("''':*\\1'"),
        sa.literal_column("'g'"),
    )
    return sa.cast(prefixes, TSQUERY)


def matches(vector: sa.ColumnElement[Any], text: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Give the condition that every word of `text` begins a word of `vector`."""
    return vector.op("@@")(query(text))


def has_words(vector: sa.ColumnElement[Any], text: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Give the condition that `vector` has every word of `text` as it is."""
    return vector.op("@@")(_words(text))


def _words(text: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    return sa.func.plainto_tsquery(sa.literal_column("'simple'::regconfig"), text)


@dataclass(frozen=True)
class Found:
    """What a search found, each once: everything, or without `complete` about MOST of the newest."""

    ids: list[UUID]
    complete: bool

    @classmethod
    def of(cls, ids: Sequence[UUID]) -> "Found":
        """Make it of rows that were read up to MOST + 1."""
        return cls(list(dict.fromkeys(ids[:MOST])), complete=len(ids) <= MOST)


class Search:
    """The compiled statements of a search for `id`s in one table.

    Args:
        id: the column to be found; several rows may have the same.
        number: the column with the row's number, indexed by itself; a newer row has a greater one.
        words: the column with the row's words (`document`).
        index: words and marks, as the table's GIN index has them.
        summary: what spans are called, such as `SELECT posts`.
    """

    def __init__(
        self,
        *,
        id: sa.ColumnElement[UUID],  # noqa: A002 - the field's name
        number: sa.ColumnElement[int],
        words: sa.ColumnElement[Any],
        index: sa.ColumnElement[Any],
        summary: str,
    ) -> None:
        text: sa.ColumnElement[str] = sa.bindparam("text", type_=sa.Text)
        parts = sa.func.unnest(sa.bindparam("parts", type_=sa.ARRAY(sa.Text))).table_valued("part")
        each = parts.render_derived("parts")
        part = sa.cast(each.c.part, TSQUERY)

        def newest(condition: sa.ColumnElement[Any], most: int, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
            # A text without words is found nowhere; `&&` alone would leave the part, and so everything.
            matching = sa.select(id.label("id"), number.label("number"), *columns).where(
                sa.func.numnode(_words(text)) > 0, index.op("@@")(condition)
            )
            # In no order but that of the parts, and so the newest of each part first.
            some = matching.limit(_GATHERED).correlate(each).subquery("some")
            found = sa.select(*some.c).order_by(some.c.number.desc()).limit(most).correlate(each).lateral("found")
            return sa.select(*found.c).select_from(each.join(found, sa.true())).limit(most)

        ends = sa.select(sa.func.max(number).label("newest"), sa.func.min(number).label("oldest"))
        self._numbers = statement(ends, summary)
        self._by_words = statement(newest(_words(text).op("&&")(part), MOST + 1), summary)
        held = newest(part, _HELD, words.label("words")).subquery("held")
        self._newest_by_beginnings = statement(
            sa.select(
                sa.func.count().label("held"),
                sa.func.array_agg(held.c.id).filter(matches(held.c.words, text)).label("ids"),
            ),
            summary,
        )
        self._by_beginnings = statement(newest(query(text).op("&&")(part), MOST + 1), summary)

    async def find(
        self,
        connection: Connection,
        text: str,
        *,
        marked: Sequence[str] = (),
        unmarked: Sequence[str] = (),
        first: Sequence[str] = (),
        few: bool = False,
    ) -> Found:
        """Find the newest rows that have every word of a text.

        Args:
            connection: where to ask.
            text: the words.
            marked: marks that each row found must have.
            unmarked: marks that it must not have; few rows should have them.
            first: marks whose rows come before all others, and so are found whatever their age.
            few: the marks are those of few rows, so that these need not be looked for by block.
        """
        numbers = await connection.one(self._numbers)
        if numbers.newest is None:
            return Found([], complete=True)
        parts = [[]] if few else [[block] for block in blocks_between(numbers.newest, numbers.oldest)]
        wanted = [_tsquery([*marked, *part], unmarked) for part in ([[mark] for mark in first] + parts)]
        rows = await connection.all(self._by_words, text=text, parts=wanted)
        if rows:
            return Found.of([row.id for row in rows])
        looked = await connection.one(self._newest_by_beginnings, text=text, parts=wanted)
        ids = looked.ids or []
        if looked.held < _HELD or len(ids) >= _ENOUGH:
            return Found(list(dict.fromkeys(ids)), complete=looked.held < _HELD)
        rows = await connection.all(self._by_beginnings, text=text, parts=[_tsquery(marked, unmarked)])
        return Found.of([row.id for row in rows])


def blocks_between(newest: int, oldest: int) -> list[str]:
    """Give the names of blocks that hold every number between these once, from the newest to the oldest."""
    names = []
    position = newest
    for level in LEVELS:
        index, last = position >> level, oldest >> level
        if level != LEVELS[-1]:
            last = max(last, index - index % 4 - _OF_A_SIZE)
        names += [f"@{level}:{each}" for each in range(index, last - 1, -1)]
        position = (last << level) - 1
        if position < oldest:
            break
    return names


def _tsquery(marked: Sequence[str], unmarked: Sequence[str]) -> str:
    """Give the text of the tsquery for all of the one and none of the other."""
    return " & ".join([*map(_quoted, marked), *(f"!{_quoted(mark)}" for mark in unmarked)])


def _quoted(mark: str) -> str:
    return "'" + mark.replace("\\", "\\\\").replace("'", "''") + "'"
