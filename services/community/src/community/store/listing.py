"""Lists of posts.

A list walks `entries` in an index that has its filter and its order, so that a page costs the same in a list of any
length.

Reactions move posts in the orders hot and top while someone turns pages. A post that rises may be missed, since it
stands on a page that was read already. One that falls would come twice; so a walk remembers when it began (`since`, in
its cursors), and leaves out of its later pages what fell after that. It begins ten seconds in the past, since a
transaction that began to lower a post before the walk may end after it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Database, statement
from chassis.errors import DeadlineExceeded
from chassis.paging import COUNT_CAP, Cursors, Listing, Order, Page, PageRequest, Total
from chassis.search import matches
from chassis.search import query as search_query
from community.model.content import Filter, Post, Viewer
from community.store.rows import POST_COLUMNS, post_of
from community.tables import PINNED, entries, posts

HOT: Final = Order("hot", ("by_hot", "post_id", "since"), descending=True)
NEW: Final = Order("new", ("by_new", "post_id", "since"), descending=True)
TOP: Final = Order("top", ("by_top", "post_id", "since"), descending=True)

FEED_SIZE: Final = 20
_MARGIN: Final = timedelta(seconds=10)
_WALK_MS: Final = 150
"""How long a search for a common word may walk a list before its matches are gathered instead."""

# Literals, not parameters: the indexes are partial, and a prepared plan must see that they apply.
_NO_TAG: Final[sa.ColumnElement[str]] = sa.literal_column("''")
_LISTED: Final = sa.not_(entries.c.hidden)
_text: Final = sa.bindparam("text", type_=sa.Text)
_BOUND: Final = statement(
    sa.text(f"SELECT set_config('statement_timeout', '{_WALK_MS}', true)"), "SET statement_timeout"
)
_matching: Final = sa.select(posts.c.id).where(matches(posts.c.search, _text))


@dataclass(frozen=True)
class _Shape:
    """What a list's statements depend on, values left open."""

    order: Order
    tag: bool
    category: bool
    author: bool
    hidden_too: bool
    answered: bool | None


def _conditions(shape: _Shape, *, by_post: bool = False) -> list[sa.ColumnElement[bool]]:
    """Give the conditions of a list; `by_post` keeps them away from the indexes that lists walk."""
    tag = entries.c.tag.concat(_NO_TAG) if by_post else entries.c.tag
    conditions = [tag == (sa.bindparam("tag", type_=sa.Text) if shape.tag else _NO_TAG)]
    if shape.category:
        conditions.append(entries.c.category == sa.bindparam("category", type_=sa.Text))
    if shape.author:
        conditions.append(entries.c.author_id == sa.bindparam("author_id", type_=sa.Uuid))
    if shape.answered is not None:
        conditions.append(entries.c.answered if shape.answered else sa.not_(entries.c.answered))
    if not shape.hidden_too:
        conditions.append(_LISTED)
    return conditions


def _branch(shape: _Shape, *more: sa.ColumnElement[bool], by_post: bool = False) -> sa.Select[Any]:
    since = sa.bindparam("since", type_=sa.DateTime(timezone=True))
    still = sa.or_(
        sa.bindparam("fresh", type_=sa.Boolean),
        entries.c.fell_at.is_(None),
        entries.c.fell_at < since,
    )
    keys = (entries.c[name] for name in shape.order.columns[:-1])
    return sa.select(*keys, since.label("since")).where(*_conditions(shape, by_post=by_post), still, *more)


@lru_cache(maxsize=64)
def _plain(shape: _Shape) -> Listing:
    return Listing([_branch(shape)], shape.order, "entries", counted_in_order=True)


@lru_cache(maxsize=64)
def _gathering(shape: _Shape) -> Listing:
    """Finds all matches by the search index, then orders them: for rare words."""
    found = sa.func.array(_matching.scalar_subquery())
    branch = _branch(shape, entries.c.post_id == sa.any_(found), by_post=True)
    return Listing([branch], shape.order, "entries")


@lru_cache(maxsize=64)
def _walking(shape: _Shape) -> Listing:
    """Walks the list and keeps what matches: for words that are everywhere."""
    query = sa.select(search_query(_text)).scalar_subquery()  # computed once, not for each row
    # Row by row, as a value: as a condition on a join the planner would match all posts first.
    matching = sa.select(posts.c.search.op("@@")(query)).where(posts.c.id == entries.c.post_id).scalar_subquery()
    return Listing([_branch(shape, matching)], shape.order, "entries")


@lru_cache(maxsize=64)
def _counting(shape: _Shape) -> Any:
    candidates = _matching.limit(COUNT_CAP + 1).cte("candidates").prefix_with("MATERIALIZED")
    conditions = _conditions(shape, by_post=True)
    # A value for each, looked up by its key: as a join the planner would match all of the list.
    listed: sa.Select[Any] = sa.select(sa.literal_column("1")).where(entries.c.post_id == candidates.c.id, *conditions)
    return statement(
        sa.select(
            sa.func.count().label("matching"), sa.func.count(listed.scalar_subquery()).label("listed")
        ).select_from(candidates),
        "COUNT entries",
    )


async def page(
    database: Database,
    wanted: Filter,
    viewer: Viewer,
    order: Order,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[UUID]:
    """Give one page of the ids of the posts that the filter lets through."""
    shape = _Shape(
        order=order,
        tag=bool(wanted.tag),
        category=bool(wanted.category),
        author=wanted.author_id is not None,
        hidden_too=wanted.author_id is not None and viewer.may_change(wanted.author_id),
        answered=wanted.answered,
    )
    position = request.position
    parameters: dict[str, Any] = {
        "since": position.key[-1] if position else datetime.now(UTC) - _MARGIN,
        "fresh": position is None or position.backward,
    }
    if wanted.tag:
        parameters["tag"] = wanted.tag
    if wanted.category:
        parameters["category"] = wanted.category
    if wanted.author_id:
        parameters["author_id"] = wanted.author_id
    if wanted.text:
        parameters["text"] = wanted.text
        return await _search(database, shape, request, cursors, scope, parameters)
    async with database.connection() as connection:
        found = await _plain(shape).page(connection, request, cursors, scope, **parameters)
    return found.of([row.post_id for row in found.rows])


async def _search(
    database: Database,
    shape: _Shape,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
    parameters: dict[str, Any],
) -> Page[UUID]:
    """Search in the way that suits how common the words are; the total of what many posts match is a lower bound."""
    async with database.connection() as connection:
        count = await connection.one(_counting(shape), **_without_walk(parameters))
        rare = count.matching <= COUNT_CAP
        total = Total(count.listed, exact=rare)
        if rare:
            found = await _gathering(shape).page(connection, request, cursors, scope, counted=total, **parameters)
            return found.of([row.post_id for row in found.rows])
    try:
        async with database.transaction() as tx:
            await tx.one(_BOUND)
            found = await _walking(shape).page(tx, request, cursors, scope, counted=total, **parameters)
    except DeadlineExceeded:  # all of the many matches stand far down in this list
        async with database.connection() as connection:
            found = await _gathering(shape).page(connection, request, cursors, scope, counted=total, **parameters)
    return found.of([row.post_id for row in found.rows])


def _without_walk(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name not in {"since", "fresh"}}


async def newest(connection: Connection, category: str) -> list[Post]:
    """Give the newest FEED_SIZE published posts in full, of a category or of all."""
    given = {"category": category} if category else {}
    rows = await connection.all(_newest(in_category=bool(category)), **given)
    return [post_of(row) for row in rows]


@lru_cache(maxsize=2)
def _newest(*, in_category: bool) -> Any:
    shape = _Shape(NEW, tag=False, category=in_category, author=False, hidden_too=False, answered=None)
    key = (entries.c.by_new, entries.c.post_id)
    head: sa.ColumnElement[int] = sa.literal_column(str(PINNED))

    def walk(part: sa.ColumnElement[bool]) -> sa.Select[Any]:
        chosen = sa.select(*key).where(*_conditions(shape), part)
        return chosen.order_by(*(column.desc() for column in key)).limit(FEED_SIZE).subquery().select()

    # The newest, pinned or not, out of an index in which the pinned ones stand at the head.
    found = sa.union_all(walk(entries.c.by_new >= head), walk(entries.c.by_new < head)).subquery("newest")
    ids = sa.func.array(sa.select(found.c.post_id).scalar_subquery())
    return statement(
        sa.select(*POST_COLUMNS)
        .where(posts.c.id == sa.any_(ids))
        .order_by(posts.c.created_at.desc(), posts.c.id.desc())
        .limit(FEED_SIZE),
        "SELECT posts",
    )
