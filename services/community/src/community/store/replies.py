"""Replies."""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from community.model.content import Reply, Status, Viewer, path_of
from community.store import entries
from community.store.rows import REPLY_COLUMNS, given, reply_of, row_of
from community.tables import activity, replies

THREADS: Final = Order("threads", ("path",), descending=False)

_id: Final = sa.bindparam("id", type_=sa.Uuid)
_post_id: Final = sa.bindparam("post_id", type_=sa.Uuid)

_GET = statement(sa.select(*REPLY_COLUMNS).where(replies.c.id == _id), "SELECT replies")
_FOR_CHANGE = statement(sa.select(*REPLY_COLUMNS).where(replies.c.id == _id).with_for_update(), "SELECT replies")
_NEXT_NUMBER = statement(
    sa.update(activity)
    .where(activity.c.post_id == _post_id)
    .values(
        last_reply_number=activity.c.last_reply_number + 1,
        reply_count=activity.c.reply_count + 1,
        last_activity_at=sa.bindparam("now", type_=sa.DateTime(timezone=True)),
    )
    .returning(activity.c.last_reply_number),
    "UPDATE activity",
)
_INSERT = statement(sa.insert(replies).values(given(REPLY_COLUMNS)), "INSERT replies")
_COUNT_CHILD = statement(
    sa.update(replies).where(replies.c.id == _id).values(child_count=replies.c.child_count + 1), "UPDATE replies"
)
_CHANGEABLE: Final = tuple(
    replies.c[name]
    for name in ("body", "html", "excerpt", "status", "hidden_reason", "updated_at", "edited_at", "version")
)
_UPDATE = statement(sa.update(replies).where(replies.c.id == _id).values(given(_CHANGEABLE)), "UPDATE replies")
_RISE = statement(
    sa.update(activity).where(activity.c.post_id == _post_id).values(reply_count=activity.c.reply_count + 1),
    "UPDATE activity",
)
_FALL = statement(
    sa.update(activity)
    .where(activity.c.post_id == _post_id)
    .values(reply_count=activity.c.reply_count - 1, fell_at=sa.func.clock_timestamp()),
    "UPDATE activity",
)


async def get(connection: Connection, id: UUID) -> Reply | None:  # noqa: A002 - the field's name
    """Give a reply, whoever may read it."""
    row = await connection.one(_GET, id=id)
    return reply_of(row) if row else None


async def get_for_change(tx: Connection, id: UUID) -> Reply | None:  # noqa: A002 - the field's name
    """Give a reply, and let no other transaction change it until this one ends."""
    row = await tx.one(_FOR_CHANGE, id=id)
    return reply_of(row) if row else None


async def insert(tx: Connection, reply: Reply, parent: Reply | None) -> Reply:
    """Store a new reply, counted and placed below its parent, and give it with its path."""
    if parent:
        await tx.execute(_COUNT_CHILD, id=parent.id)
    row = await tx.one(_NEXT_NUMBER, post_id=reply.post_id, now=reply.created_at)
    placed = reply.placed(path_of(parent.path if parent else "", row.last_reply_number))
    await tx.execute(_INSERT, **row_of(placed))
    await entries.score(tx, reply.post_id)
    return placed


async def update(tx: Connection, reply: Reply, before: Reply) -> None:
    """Store a reply that was read as `before` by `get_for_change` and changed."""
    row = row_of(reply)
    await tx.execute(_UPDATE, id=reply.id, **{c.name: row[c.name] for c in _CHANGEABLE})
    published, was = reply.status is Status.PUBLISHED, before.status is Status.PUBLISHED
    if published != was:
        await tx.execute(_RISE if published else _FALL, post_id=reply.post_id)
        await entries.score(tx, reply.post_id)


async def page(
    connection: Connection,
    post_id: UUID,
    viewer: Viewer,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[Reply]:
    """Give one page of the replies to a post, as far as they stand in the viewer's list."""
    own = viewer.person is not None and not viewer.moderates
    parameters: dict[str, Any] = {"person": viewer.person} if own else {}
    listing = _listing(moderates=viewer.moderates, own=own)
    found = await listing.page(connection, request, cursors, scope, post_id=post_id, **parameters)
    return found.of([reply_of(row) for row in found.rows])


@lru_cache(maxsize=3)
def _listing(*, moderates: bool, own: bool) -> Listing:
    # Written as in the partial indexes, in literals, so that a prepared plan sees that they apply.
    published = replies.c.status == sa.literal_column("'published'")
    hidden = replies.c.status == sa.literal_column("'hidden'")
    childless = replies.c.child_count == sa.literal_column("0")
    all_of_post: sa.Select[Any] = sa.select(*REPLY_COLUMNS).where(replies.c.post_id == _post_id)
    branches = [all_of_post.where(sa.or_(published, replies.c.child_count > sa.literal_column("0")))]
    if moderates:
        branches.append(all_of_post.where(hidden, childless))
    elif own:
        mine = replies.c.author_id == sa.bindparam("person", type_=sa.Uuid)
        branches.append(all_of_post.where(hidden, childless, mine))
    return Listing(branches, THREADS, "replies", counted_in_order=True)
