"""Blocks of numbers, and what a search finds through them."""

from collections.abc import AsyncIterator
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.rows import namedtuple_row
from sqlalchemy.dialects.postgresql import TSVECTOR

from chassis.database import Connection
from chassis.database_spans import DatabaseSpans
from chassis.embedded.postgresql import PostgreSQL
from chassis.search import MOST, Search, block_marks, blocks_between, document, marks

things = sa.table("things", sa.column("id", sa.Uuid), sa.column("number", sa.BigInteger), sa.column("words", TSVECTOR))
THINGS = Search(
    id=things.c.id,
    number=things.c.number,
    words=things.c.words,
    index=things.c.words,
    summary="SELECT things",
    shown=things.c.number != 5_000,
)
MARKS = marks(*block_marks("number"), "'@kind:' || kind", "'@half:' || number / 3000")
WORDS = f"{document('body')} || {MARKS}"
OLDEST, NEWEST = -1_500, 6_000


@pytest.fixture
async def connection(postgresql: PostgreSQL) -> AsyncIterator[Connection]:
    """Lends a connection that sees 7,500 things, all of them `common`, and some words that few have."""
    async with await psycopg.AsyncConnection.connect(
        postgresql.admin_url, autocommit=True, row_factory=namedtuple_row
    ) as connection:
        await connection.execute(
            "CREATE TEMPORARY TABLE things (id uuid, number bigint, kind text, body text,"
            f" words tsvector GENERATED ALWAYS AS ({WORDS}) STORED)".encode()
        )
        yield Connection(connection, DatabaseSpans("", "test"))


async def fill(connection: Connection) -> None:
    await connection._connection.execute(
        """
        INSERT INTO things
        SELECT lpad(to_hex(n - %(oldest)s), 32, '0')::uuid, n, 'it''s ' || abs(n) %% 3,
            'common ' || CASE WHEN n %% 1000 = 0 THEN 'seldom ' ELSE '' END
                || CASE WHEN n < 0 THEN 'ancient' ELSE '' END || CASE WHEN n = -7 THEN ' singular' ELSE '' END
        FROM generate_series(%(oldest)s::bigint, %(newest)s::bigint) AS n
        """,
        {"oldest": OLDEST, "newest": NEWEST},
    )
    await connection._connection.execute("CREATE INDEX ON things USING gin (words)")
    await connection._connection.execute("ANALYZE things")


def numbers(ids: list[UUID]) -> list[int]:
    return [id_.int + OLDEST for id_ in ids]


@pytest.mark.parametrize(
    ("newest", "oldest"),
    [(0, 0), (1, 1), (1_023, 0), (1_024, 0), (70_000, 1), (9_000_001, 0), (5, -200_000), (-3, -70_000)],
)
def test_blocks_hold_every_number_once_the_newest_first(newest: int, oldest: int) -> None:
    spans = []
    for name in blocks_between(newest, oldest):
        level, index = map(int, name[1:].split(":"))
        spans.append((index << level, (index + 1) << level))
    assert spans[0][1] > newest
    assert spans[-1][0] <= oldest < spans[-1][1]
    assert all(newer[0] == older[1] for newer, older in pairwise(spans))
    assert len(spans) < 64


async def test_an_empty_table_has_nothing(connection: Connection) -> None:
    found = await THINGS.find(connection, "common")
    assert (found.ids, found.complete) == ([], True)


async def test_a_rare_word_is_found_wherever_it_stands_and_said_to_be_all(connection: Connection) -> None:
    await fill(connection)
    found = await THINGS.find(connection, "common seldom")
    assert (sorted(numbers(found.ids)), found.complete) == ([-1_000, 0, 1_000, 2_000, 3_000, 4_000, 6_000], True)
    assert numbers((await THINGS.find(connection, "singular")).ids) == [-7]


async def test_of_a_common_word_the_newest_are_found(connection: Connection) -> None:
    await fill(connection)
    found = await THINGS.find(connection, "common")
    assert (len(found.ids), found.complete) == (MOST, False)
    assert min(numbers(found.ids)) > NEWEST - 2 * MOST
    assert NEWEST in numbers(found.ids)
    ancient = await THINGS.find(connection, "ancient")
    assert (len(ancient.ids), ancient.complete) == (MOST, False)


async def test_beginnings_count_where_no_row_has_the_words(connection: Connection) -> None:
    await fill(connection)
    often = await THINGS.find(connection, "comm")
    assert not often.complete
    assert min(numbers(often.ids)) > NEWEST - 2 * 1_024 - 1_000
    assert len(numbers((await THINGS.find(connection, "sel")).ids)) == 7
    assert numbers((await THINGS.find(connection, "singu anc")).ids) == [-7]


async def test_nothing_is_found_by_a_text_without_words_or_by_marks_alone(connection: Connection) -> None:
    await fill(connection)
    for text in ("", "!?", "@10:0", "'@kind:it''s 1'", "\\"):
        assert (await THINGS.find(connection, text, marked=["@kind:it's 1"])).ids == [], text


async def test_marks_narrow_a_search_or_come_first(connection: Connection) -> None:
    await fill(connection)
    for few in (False, True):
        found = await THINGS.find(connection, "seldom", marked=["@kind:it's 1"], few=few)
        assert sorted(numbers(found.ids)) == [-1_000, 1_000, 4_000]
    assert (await THINGS.find(connection, "seldom", marked=["@kind:\\' | '"])).ids == []
    both = await THINGS.find(connection, "seldom", marked=["@kind:it's 1", "@half:0"])
    assert sorted(numbers(both.ids)) == [-1_000, 1_000]
    first = await THINGS.find(connection, "seldom", first=["@kind:it's 1"])
    assert len(set(first.ids)) == len(first.ids) == 7
    assert set(numbers(first.ids[:3])) == {-1_000, 1_000, 4_000}


async def test_a_row_that_is_not_shown_is_found_by_who_asks_for_everything(connection: Connection) -> None:
    await fill(connection)
    for text in ("seldom", "seld"):
        for everything in (False, True):
            found = await THINGS.find(connection, text, everything=everything)
            assert (5_000 in numbers(found.ids), found.complete) == (everything, True)
