"""Posts, one at a time."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import psycopg
import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.errors import InvalidFields, Violation
from community.model.content import Post, Status, Viewer
from community.store import entries
from community.store.rows import POST_COLUMNS, given, post_of, row_of
from community.tables import activity, posts, replies

_id: Final = sa.bindparam("id", type_=sa.Uuid)
_with_activity: Final = posts.join(activity, activity.c.post_id == posts.c.id)

_GET = statement(
    sa.select(*POST_COLUMNS, activity.c.reply_count).select_from(_with_activity).where(posts.c.id == _id),
    "SELECT posts",
)
_GET_STATE = statement(
    sa.select(posts.c.version, posts.c.status, posts.c.author_id, activity.c.reply_count)
    .select_from(_with_activity)
    .where(posts.c.id == _id),
    "SELECT posts",
)
_LONG: Final = ("body", "html")
_SUMMARIES = statement(
    sa.select(*(sa.literal_column("''").label(c.name) if c.name in _LONG else c for c in POST_COLUMNS)).where(
        posts.c.id == sa.any_(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid)))
    ),
    "SELECT posts",
)
_FOR_CHANGE = statement(sa.select(*POST_COLUMNS).where(posts.c.id == _id).with_for_update(), "SELECT posts")
_FOR_REPLY = statement(sa.select(*POST_COLUMNS).where(posts.c.id == _id).with_for_update(read=True), "SELECT posts")
_INSERT = statement(sa.insert(posts).values(given(POST_COLUMNS)), "INSERT posts")
_INSERT_ACTIVITY = statement(
    sa.insert(activity).values(
        post_id=_id,
        reaction_count=0,
        reply_count=0,
        last_reply_number=0,
        last_activity_at=sa.bindparam("created_at", type_=sa.DateTime(timezone=True)),
    ),
    "INSERT activity",
)
_CHANGEABLE: Final = tuple(c for c in POST_COLUMNS if c.name not in {"id", "author_id", "created_at"})
_UPDATE = statement(
    sa.update(posts)
    .where(posts.c.id == _id, posts.c.version == sa.bindparam("version", type_=sa.BigInteger) - 1)
    .values(given(_CHANGEABLE)),
    "UPDATE posts",
)
_LONELY = statement(
    sa.delete(posts).where(posts.c.id == _id, ~sa.exists().where(replies.c.post_id == posts.c.id)), "DELETE posts"
)
_FELL = statement(
    sa.update(activity).where(activity.c.post_id == _id).values(fell_at=sa.func.clock_timestamp()), "UPDATE activity"
)


async def get(connection: Connection, id: UUID, viewer: Viewer) -> Post | None:  # noqa: A002 - the field's name
    """Give a post that exists for the viewer, or None."""
    row = await connection.one(_GET, id=id)
    if row is None:
        return None
    post = post_of(row)
    return post if post.visible_to(viewer, row.reply_count) else None


async def has_version(connection: Connection, id: UUID, viewer: Viewer, version: int) -> bool:  # noqa: A002
    """Say whether a post exists for the viewer and has this version, without reading its text."""
    row = await connection.one(_GET_STATE, id=id)
    if row is None or row.version != version:
        return False
    status = Status(row.status)
    if status is Status.DELETED:
        return bool(row.reply_count)
    return status is Status.PUBLISHED or viewer.may_change(row.author_id)


async def summaries(connection: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Post]:
    """Give these posts without body and HTML."""
    return {row.id: post_of(row) for row in await connection.all(_SUMMARIES, ids=list(ids))}


async def get_for_change(tx: Connection, id: UUID) -> Post | None:  # noqa: A002 - the field's name
    """Give a post, whoever may see it, and let no other transaction change it until this one ends."""
    row = await tx.one(_FOR_CHANGE, id=id)
    return post_of(row) if row else None


async def get_for_reply(tx: Connection, id: UUID) -> Post | None:  # noqa: A002 - the field's name
    """Give a post as `get_for_change`, beside others who only reply to it."""
    row = await tx.one(_FOR_REPLY, id=id)
    return post_of(row) if row else None


async def insert(tx: Connection, post: Post) -> None:
    """Store a new post.

    Raises:
        InvalidFields: there is no such category.
    """
    try:
        await tx.execute(_INSERT, **row_of(post))
    except psycopg.errors.ForeignKeyViolation as unknown:
        raise _no_category() from unknown
    await tx.execute(_INSERT_ACTIVITY, id=post.id, created_at=post.created_at)
    await entries.project(tx, post.id)


async def update(tx: Connection, post: Post, *, falls: bool = False) -> None:
    """Store a post that was read by `get_for_change` and changed; `falls` when it goes down in lists.

    Raises:
        InvalidFields: there is no such category.
    """
    row = row_of(post)
    try:
        await tx.execute(_UPDATE, id=post.id, **{c.name: row[c.name] for c in _CHANGEABLE})
    except psycopg.errors.ForeignKeyViolation as unknown:
        raise _no_category() from unknown
    if falls:
        await tx.execute(_FELL, id=post.id)
    await entries.project(tx, post.id)


async def delete(tx: Connection, post: Post) -> None:
    """Store what stays of a deleted post, or nothing when nobody ever replied to it."""
    if not await tx.execute(_LONELY, id=post.id):
        await update(tx, post)


def _no_category() -> InvalidFields:
    return InvalidFields.of([Violation("category", "is none of the categories")])
