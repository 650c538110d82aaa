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

from chassis.database import Connection, Statement, statement

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
_TRUE: Final = sa.true()


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
    beginnings: bool = False
    """Whether the words are beginnings of theirs, since no row has them all as they are."""

    @classmethod
    def of(cls, ids: Sequence[UUID], *, beginnings: bool = False) -> "Found":
        """Make it of rows that were read up to MOST + 1."""
        return cls(list(dict.fromkeys(ids[:MOST])), len(ids) <= MOST, beginnings)


@dataclass(frozen=True, slots=True)
class _Statements:
    by_words: Statement
    newest_by_beginnings: Statement
    by_beginnings: Statement


class Search:
    """The compiled statements of a search for `id`s in one table.

    Args:
        id: the column to be found; several rows may have the same.
        number: the column with the row's number, indexed by itself; a newer row has a greater one.
        words: the column with the row's words (`document`).
        index: words and marks, as the table's GIN index has them.
        summary: what spans are called, such as `SELECT posts`.
        shown: the condition that most rows fulfil, and that a row must unless a search is for all.
    """

    def __init__(
        self,
        *,
        id: sa.ColumnElement[UUID],  # noqa: A002 - the field's name
        number: sa.ColumnElement[int],
        words: sa.ColumnElement[Any],
        index: sa.ColumnElement[Any],
        summary: str,
        shown: sa.ColumnElement[bool] = _TRUE,
    ) -> None:
        self._id, self._number, self._words, self._index = id, number, words, index
        self._summary = summary
        self._shown = shown
        ends = sa.select(sa.func.max(number).label("newest"), sa.func.min(number).label("oldest"))
        self._numbers = statement(ends, summary)
        self._made: dict[tuple[int, bool], _Statements] = {}

    def _statements(self, marks: int, *, everything: bool) -> _Statements:
        """Give those for so many marks, for all rows or those shown, made when they are first asked for."""
        made = self._made.get((marks, everything))
        if made is None:
            made = self._made[marks, everything] = self._make(marks, everything=everything)
        return made

    def _make(self, marks: int, *, everything: bool) -> _Statements:
        text: sa.ColumnElement[str] = sa.bindparam("text", type_=sa.Text)
        has = self._index.op("@@")
        rows: Any = (
            sa.select(self._id.label("id"), self._number.label("number"))
            .where(
                # A text without words is found nowhere; marks alone would be.
                sa.func.numnode(_words(text)) > 0,
                # Each a condition by itself: the index then leaps from one row that one of them has to the next that
                # all have, where it would walk through all rows of the rarest word of one query that asks for all.
                *(has(sa.cast(sa.bindparam(f"mark_{n}", type_=sa.Text), TSQUERY)) for n in range(marks)),
            )
            .where(_TRUE if everything else self._shown)
        )
        parts = sa.func.unnest(sa.bindparam("parts", type_=sa.ARRAY(sa.Text))).table_valued("part")
        each = parts.render_derived("parts")

        def newest(matching: sa.Select[Any], most: int) -> sa.Select[Any]:
            # In no order but that of the parts, and so the newest of each part first.
            in_part = matching.where(has(sa.cast(each.c.part, TSQUERY))).limit(_GATHERED).correlate(each)
            found = _newest(in_part, most).correlate(each).lateral("found")
            return sa.select(*found.c).select_from(each.join(found, sa.true())).limit(most)

        held = newest(rows.add_columns(self._words.label("words")), _HELD).subquery("held")
        by_beginnings = rows.where(has(query(text))).limit(_GATHERED)
        return _Statements(
            by_words=statement(newest(rows.where(has(_words(text))), MOST + 1), self._summary),
            newest_by_beginnings=statement(
                sa.select(
                    sa.func.count().label("held"),
                    sa.func.array_agg(held.c.id).filter(matches(held.c.words, text)).label("ids"),
                ),
                self._summary,
            ),
            by_beginnings=statement(_newest(by_beginnings, MOST + 1), self._summary),
        )

    async def find(
        self,
        connection: Connection,
        text: str,
        *,
        marked: Sequence[str] = (),
        first: Sequence[str] = (),
        few: bool = False,
        everything: bool = False,
    ) -> Found:
        """Find the newest rows that have every word of a text.

        Args:
            connection: where to ask.
            text: the words.
            marked: marks that each row found must have.
            first: marks whose rows come before all others, and so are found whatever their age.
            few: the first of `marked` is one of few rows, so that these need not be looked for by block.
            everything: all rows count, not only those that are shown.
        """
        numbers = await connection.one(self._numbers)
        if numbers.newest is None:
            return Found([], complete=True)
        blocks, marks = (marked[:1], marked[1:]) if few else (blocks_between(numbers.newest, numbers.oldest), marked)
        parts = [_quoted(mark) for mark in (*first, *blocks)]
        asked = self._statements(len(marks), everything=everything)
        given = {"text": text} | {f"mark_{n}": _quoted(mark) for n, mark in enumerate(marks)}
        rows = await connection.all(asked.by_words, parts=parts, **given)
        if rows:
            return Found.of([row.id for row in rows])
        looked = await connection.one(asked.newest_by_beginnings, parts=parts, **given)
        ids = looked.ids or []
        if looked.held < _HELD or len(ids) >= _ENOUGH:
            return Found(list(dict.fromkeys(ids)), complete=looked.held < _HELD, beginnings=True)
        rows = await connection.all(asked.by_beginnings, **given)
        return Found.of([row.id for row in rows], beginnings=True)


def _newest(some: sa.Select[Any], most: int) -> sa.Select[Any]:
    rows = some.subquery("some")
    return sa.select(*rows.c).order_by(rows.c.number.desc()).limit(most)


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


def _quoted(mark: str) -> str:
    return "'" + mark.replace("\\", "\\\\").replace("'", "''") + "'"
