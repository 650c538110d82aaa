"""No list reads more rows than its page needs, whatever stands in tables of 100,000 rows."""

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import namedtuple_row

from chassis.database import PLANNER, Connection, Statement
from chassis.embedded.postgresql import PostgreSQL
from chassis.paging import Cursors, Page, PageRequest
from chassis.service import Service
from chassis.testing.plugin import PASSWORD, Logins, logins
from community.model.content import Filter, Viewer
from community.model.moderation import CaseState
from community.store import listing, moderation, posts, reactions, replies
from community.testing import load

ROWS = 100_000
MOST = 2_500
"""Rows that one step of a plan may touch: a count goes to 1,001 posts."""

NOBODY = Viewer(None, moderates=False)
AUTHOR = UUID("018f0000-0000-7000-8000-000000000007")
FIRST = UUID("01900000-0000-7000-8000-000000000001")
CURSORS = Cursors(PASSWORD)


@pytest.fixture(scope="module")
def full(postgresql: PostgreSQL, template: Callable[[Service[Any]], str], service: Service[Any]) -> Iterator[Logins]:
    """A database with 100,000 of everything."""
    name = "full_of_community"
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template(service)}".encode())
    made = logins(postgresql.admin_url, name, "community")
    with psycopg.connect(made.admin) as connection:
        load(connection, ROWS)
    yield made
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


class Explained(Connection):
    """A connection that looks at how each statement is run, with the values known to the planner and unknown."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        super().__init__(connection, {})
        self.most: dict[str, int] = {}

    async def _run(self, compiled: Statement, parameters: Mapping[str, Any]) -> psycopg.AsyncCursor[Any]:
        if not compiled.summary.startswith("SET"):
            await self._explain(compiled, {**compiled.constants, **parameters})
        return await super()._run(compiled, parameters)

    async def _explain(self, compiled: Statement, values: Mapping[str, Any]) -> None:
        query = compiled.sql.decode()
        names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", query)))
        text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", query).replace("%%", "%")
        arguments = sql.SQL(", ").join(sql.Literal(values[name]) for name in names)
        called = sql.SQL("asked({})").format(arguments) if names else sql.SQL("asked")
        await self._connection.execute(f"PREPARE asked AS {text}".encode())
        for mode in ("force_custom_plan", "force_generic_plan"):
            await self._connection.execute(f"SET plan_cache_mode = {mode}".encode())
            explain = sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE {}").format(called)
            [(plan,)] = await (await self._connection.execute(explain)).fetchall()
            for node in nodes(plan[0]["Plan"]):
                touched = (
                    node["Actual Rows"]
                    + node.get("Rows Removed by Filter", 0)
                    + node.get("Rows Removed by Join Filter", 0)
                ) * node["Actual Loops"]
                touched += node.get("Rows Removed by Index Recheck", 0)
                self.most[f"{compiled.summary} by {mode}: {node['Node Type']} {json.dumps(node)}"] = touched
        await self._connection.execute("RESET plan_cache_mode")
        await self._connection.execute("DEALLOCATE asked")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {key: value for key, value in plan.items() if key != "Plans"}
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.fixture
async def explained(full: Logins) -> AsyncIterator[Explained]:
    async with await psycopg.AsyncConnection.connect(
        full.service, autocommit=True, row_factory=namedtuple_row, options=PLANNER
    ) as connection:
        yield Explained(connection)


async def walk(read: Callable[[PageRequest], Any]) -> Page[Any]:
    """Read the first page, the second by cursor, that before it, and the fifth by number."""
    first: Page[Any] = await read(PageRequest(20, 1, None))
    if first.next_cursor:
        second = await read(CURSORS.request(page_size=20, page=0, cursor=first.next_cursor, scope="s"))
        await read(CURSORS.request(page_size=20, page=0, cursor=second.previous_cursor, scope="s"))
        await read(PageRequest(20, 5, None))
    return first


def check(explained: Explained, most: int = MOST) -> None:
    assert explained.most
    assert {step: rows for step, rows in explained.most.items() if rows > most} == {}


FILTERS = [
    Filter(),
    Filter(category="ideas"),
    Filter(answered=True),
    Filter(answered=False),
    Filter(category="questions", answered=True),
    Filter(tag="t3"),
    Filter(tag="u33"),
    Filter(tag="t3", category="showcase"),
    Filter(tag="t4", answered=True),
    Filter(author_id=AUTHOR),
    Filter(author_id=AUTHOR, category="ideas", answered=True),
    Filter(tag="nowhere"),
]


@pytest.mark.parametrize("order", [listing.HOT, listing.NEW, listing.TOP], ids=lambda order: order.name)
async def test_no_list_of_posts_reads_more_than_its_page(explained: Explained, order: Any) -> None:
    for wanted in FILTERS:
        viewer = Viewer(AUTHOR, moderates=False) if wanted.author_id else NOBODY
        page = await walk(lambda r: listing.page(explained, wanted, viewer, order, r, CURSORS, "s"))  # noqa: B023 - awaited at once
        await posts.summaries(explained, page.rows)
        await reactions.activities(explained, page.rows, AUTHOR)
    check(explained)


@pytest.mark.parametrize("order", [listing.HOT, listing.NEW, listing.TOP], ids=lambda order: order.name)
async def test_a_search_reads_a_bounded_part_of_what_a_common_word_matches(explained: Explained, order: Any) -> None:
    for text in ("everywhere", "often", "seldom", "word777", "nowhere", "everywhere seldom", "ever oft"):
        await walk(lambda r: listing.page(explained, Filter(text=text), NOBODY, order, r, CURSORS, "s"))  # noqa: B023 - awaited at once
    check(explained)


@pytest.mark.parametrize(
    "viewer",
    [NOBODY, Viewer(AUTHOR, moderates=False), Viewer(AUTHOR, moderates=True)],
    ids=["all", "author", "moderator"],
)
async def test_no_list_of_replies_reads_more_than_its_page(explained: Explained, viewer: Viewer) -> None:
    page = await walk(lambda r: replies.page(explained, FIRST, viewer, r, CURSORS, "s"))
    await reactions.counts(explained, [reply.id for reply in page.rows], viewer.person)
    check(explained)


async def test_neither_queue_nor_log_nor_feed_reads_more_than_its_page(explained: Explained) -> None:
    for state in (None, CaseState.OPEN, CaseState.HIDDEN):
        await walk(lambda r: moderation.page(explained, state, r, CURSORS, "s"))  # noqa: B023 - awaited at once
    for post_id in (None, FIRST):
        await walk(lambda r: moderation.log_page(explained, post_id, r, CURSORS, "s"))  # noqa: B023 - awaited at once
    for category in ("", "ideas"):
        assert len(await listing.newest(explained, category)) == listing.FEED_SIZE
    check(explained)
