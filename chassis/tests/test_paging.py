"""The arithmetic of pages, over disjoint branches of a real table."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from chassis import paging
from chassis.database import Database, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest

THINGS = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))
ORDER = Order("n", ("n", "id"), descending=False)
CURSORS = Cursors("0123456789abcdef0123456789abcdef")
BRANCHES = [sa.select(THINGS.c.id, THINGS.c.n).where(THINGS.c.id % 3 == rest) for rest in range(3)]


@pytest_asyncio.fixture
async def fill(pool: Database) -> AsyncIterator[Any]:
    async def rows(count: int) -> None:
        async with pool.connection() as connection:
            await connection.execute(statement(sa.text("CREATE TABLE IF NOT EXISTS things (id int, n int)"), "x"))
            filling = "INSERT INTO things SELECT i, i / 4 FROM generate_series(1, :count) AS i"
            await connection.execute(statement(sa.text(filling), "x"), count=count)

    yield rows


async def read(pool: Database, listing: Listing, size: int, number: int = 1, cursor: str = "") -> Page[Any]:
    position = CURSORS.read(cursor, "scope") if cursor else None
    request = PageRequest(size, position.page if position else number, position)
    async with pool.connection() as connection:
        return await listing.page(connection, request, CURSORS, "scope")


@pytest.mark.parametrize("branches", [BRANCHES, [sa.select(THINGS.c.id, THINGS.c.n)]], ids=["three", "one"])
@pytest.mark.parametrize(("count", "size"), [(0, 10), (1, 10), (9, 10), (10, 10), (11, 10), (20, 10), (21, 10), (7, 1)])
async def test_numbers_and_cursors_lead_to_the_same_pages_and_none_is_empty(
    pool: Database, fill: Any, branches: list[Any], count: int, size: int
) -> None:
    await fill(count)
    listing = Listing(branches, ORDER, "things")
    page, number = await read(pool, listing, size), 1
    assert page.previous_cursor == ""
    ids = [row.id for row in page.rows]
    while page.next_cursor:
        following = await read(pool, listing, size, cursor=page.next_cursor)
        number += 1
        assert following.rows
        numbered = await read(pool, listing, size, number)
        assert (numbered.rows, numbered.number) == (following.rows, following.number) == (following.rows, number)
        assert numbered.next_cursor == following.next_cursor
        back = await read(pool, listing, size, cursor=following.previous_cursor)
        assert (back.rows, back.number, back.next_cursor) == (page.rows, number - 1, page.next_cursor)
        ids += [row.id for row in following.rows]
        page = following
    assert ids == list(range(1, count + 1))
    assert number == max(1, -(-count // size))
    assert (page.total, page.total_exact) == (count, True)


async def test_a_page_beyond_the_end_is_empty_and_leads_nowhere(pool: Database, fill: Any) -> None:
    await fill(10)
    beyond = await read(pool, Listing(BRANCHES, ORDER, "things"), 10, number=3)
    assert (beyond.rows, beyond.next_cursor, beyond.previous_cursor) == ([], "", "")


@pytest.mark.parametrize(("count", "total", "exact"), [(12, 12, True), (13, 12, False), (40, 12, False)])
async def test_a_long_list_says_that_its_total_is_a_lower_bound(
    pool: Database, fill: Any, monkeypatch: pytest.MonkeyPatch, count: int, total: int, exact: bool
) -> None:
    monkeypatch.setattr(paging, "COUNT_CAP", 12)
    await fill(count)
    for in_order in (True, False):
        page = await read(pool, Listing(BRANCHES, ORDER, "things", counted_in_order=in_order), 5)
        assert (page.total, page.total_exact) == (total, exact)


async def test_a_page_keeps_its_place_when_its_rows_become_something_else(pool: Database, fill: Any) -> None:
    await fill(5)
    page = await read(pool, Listing(BRANCHES, ORDER, "things"), 2)
    other = page.of([str(row.id) for row in page.rows])
    assert (other.rows, other.next_cursor, other.total) == (["1", "2"], page.next_cursor, 5)
