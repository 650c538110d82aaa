"""Lists of posts.

A list walks `entries` in an index that has its filter and its order, so that a page costs the same in a list of any
length.

Reactions move posts in the orders hot and top while someone turns pages. A post that rises may be missed, since it
stands on a page that was read already. One that falls would come twice; so a walk remembers when it began (`since`, in
its cursors), and leaves out of its later pages what fell after that. It begins ten seconds in the past, since a
transaction that began to lower a post before the walk may end after it.

A search finds posts first and orders them then: all that match, or of very many the newest, and with them those that
match at the head of the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest, Total
from chassis.search import Search, has_words
from community.model.content import Filter, Post, Viewer
from community.store.rows import POST_COLUMNS, post_of
from community.tables import MARKED, PINNED, entries, posts

HOT: Final = Order("hot", ("by_hot", "post_id", "since"), descending=True)
NEW: Final = Order("new", ("by_new", "post_id", "since"), descending=True)
TOP: Final = Order("top", ("by_top", "post_id", "since"), descending=True)

FEED_SIZE: Final = 20
_MARGIN: Final = timedelta(seconds=10)
_HEAD: Final = 200
"""So many posts at the head of a list are held against a common word, whatever their age."""

# Literals, not parameters: the indexes are partial, and a prepared plan must see that they apply.
_NO_TAG: Final[sa.ColumnElement[str]] = sa.literal_column("''")
_SEARCH: Final = Search(
    id=posts.c.id,
    number=posts.c.number,
    words=posts.c.search,
    index=sa.literal_column(f"({MARKED})"),
    summary="SELECT posts",
    shown=posts.c.status != "hidden",
)


@dataclass(frozen=True)
class _Shape:
    """What a list's statements depend on, values left open."""

    order: Order
    tag: bool
    category: bool
    author: bool
    hidden_too: bool
    answered: bool | None


def _conditions(shape: _Shape, rows: Any = entries) -> list[sa.ColumnElement[bool]]:
    conditions = [rows.c.tag == (sa.bindparam("tag", type_=sa.Text) if shape.tag else _NO_TAG)]
    if shape.category:
        conditions.append(rows.c.category == sa.bindparam("category", type_=sa.Text))
    if shape.author:
        conditions.append(rows.c.author_id == sa.bindparam("author_id", type_=sa.Uuid))
    if shape.answered is not None:
        conditions.append(rows.c.answered if shape.answered else sa.not_(rows.c.answered))
    if not shape.hidden_too:
        conditions.append(sa.not_(rows.c.hidden))
    return conditions


def _branch(shape: _Shape, rows: Any = entries) -> sa.Select[Any]:
    since = sa.bindparam("since", type_=sa.DateTime(timezone=True))
    still = sa.or_(
        sa.bindparam("fresh", type_=sa.Boolean),
        rows.c.fell_at.is_(None),
        rows.c.fell_at < since,
    )
    keys = (rows.c[name] for name in shape.order.columns[:-1])
    return sa.select(*keys, since.label("since")).where(*_conditions(shape, rows), still)


@lru_cache(maxsize=64)
def _plain(shape: _Shape) -> Listing:
    return Listing([_branch(shape)], shape.order, "entries", counted_in_order=True)


@lru_cache(maxsize=64)
def _found(shape: _Shape) -> Listing:
    ids = sa.func.unnest(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))).table_valued("id").render_derived("ids")
    # By the key of each, read before anything else is asked of it: an index of the list would be walked to its end.
    tag = sa.bindparam("tag", type_=sa.Text) if shape.tag else _NO_TAG
    each = (
        sa.select(entries)
        .where(entries.c.post_id == ids.c.id, entries.c.tag == tag)
        .offset(0)
        .correlate(ids)
        .lateral("each")
    )
    return Listing([_branch(shape, each).select_from(ids.join(each, sa.true()))], shape.order, "entries")


@lru_cache(maxsize=64)
def _head(shape: _Shape) -> Statement:
    """Finds what has the words among the first of a list."""
    keys = [entries.c[name] for name in shape.order.columns[:-1]]
    first = sa.select(entries.c.post_id).where(*_conditions(shape)).order_by(*(key.desc() for key in keys)).limit(_HEAD)
    listed = sa.func.array(first.scalar_subquery())
    # Row by row, as what is left of them: the search index would gather all posts with the words.
    held = sa.select(posts.c.id, posts.c.search).where(posts.c.id == sa.any_(listed)).offset(0).subquery("held")
    text: sa.ColumnElement[str] = sa.bindparam("text", type_=sa.Text)
    return statement(sa.select(held.c.id).where(has_words(held.c.search, text)), "SELECT posts")


async def page(
    connection: Connection,
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
    if not wanted.text:
        found = await _plain(shape).page(connection, request, cursors, scope, **parameters)
        return found.of([row.post_id for row in found.rows])
    ids, complete = await _search(connection, wanted, shape, parameters)
    counted = Total(len(ids), exact=complete)
    found = await _found(shape).page(connection, request, cursors, scope, counted=counted, ids=ids, **parameters)
    return found.of([row.post_id for row in found.rows])


async def _search(
    connection: Connection, wanted: Filter, shape: _Shape, parameters: Mapping[str, Any]
) -> tuple[list[UUID], bool]:
    """Give the posts that match, and whether these are all."""
    marked = []
    if wanted.author_id:
        marked.append(f"@author:{wanted.author_id}")
    if wanted.category:
        marked.append(f"@category:{wanted.category}")
    if wanted.tag:
        marked.append(f"@tag:{wanted.tag}")
    if wanted.answered is not None:
        marked.append(f"@answered:{str(wanted.answered).lower()}")
    found = await _SEARCH.find(
        connection,
        wanted.text,
        marked=marked,
        first=["@pinned:true"],
        few=wanted.author_id is not None,
        everything=shape.hidden_too,
    )
    if found.complete or shape.order is NEW:
        return found.ids, found.complete
    values = {name: value for name, value in parameters.items() if name not in {"since", "fresh"}}
    head = await connection.all(_head(shape), text=wanted.text, **values)
    return list({*found.ids, *(row.id for row in head)}), False


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
