"""The rows that lists walk, as the projection of posts and activity that they are.

Whoever writes here holds the lock of the post's activity row, so that one writer at a time sees what it copies. Locks
are taken in one order everywhere: post, reply, activity, entries.
"""

from typing import Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from community.model.content import Status
from community.tables import activity, entries, posts

_post_id: Final = sa.bindparam("post_id", type_=sa.Uuid)

_LOCK = statement(
    sa.select(activity.c.post_id).where(activity.c.post_id == _post_id).with_for_update(), "LOCK activity"
)
_CLEAR = statement(sa.delete(entries).where(entries.c.post_id == _post_id), "DELETE entries")
_tags = sa.func.unnest(sa.func.array_append(posts.c.tags, "")).table_valued("tag").render_derived("tags")
_FILL = statement(
    sa.insert(entries).from_select(
        [
            "post_id",
            "tag",
            "category",
            "author_id",
            "hidden",
            "answered",
            "pinned",
            "created_at",
            "points",
            "fell_at",
        ],
        sa.select(
            posts.c.id,
            _tags.c.tag,
            posts.c.category,
            posts.c.author_id,
            posts.c.status == Status.HIDDEN.value,
            posts.c.accepted_reply_id.is_not(None),
            posts.c.pinned,
            posts.c.created_at,
            activity.c.points,
            activity.c.fell_at,
        )
        .select_from(posts.join(activity, activity.c.post_id == posts.c.id).join(_tags, sa.true()))
        .where(posts.c.id == _post_id, posts.c.status != Status.DELETED.value),
    ),
    "INSERT entries",
)
_SCORE = statement(
    sa.update(entries)
    .where(entries.c.post_id == _post_id, activity.c.post_id == entries.c.post_id)
    .values(points=activity.c.points, fell_at=activity.c.fell_at),
    "UPDATE entries",
)


async def project(tx: Connection, post_id: UUID) -> None:
    """Write a post's rows anew, after the post was stored."""
    await tx.one(_LOCK, post_id=post_id)
    await tx.execute(_CLEAR, post_id=post_id)
    await tx.execute(_FILL, post_id=post_id)


async def score(tx: Connection, post_id: UUID) -> None:
    """Bring the points in a post's rows up to date, after its activity was stored."""
    await tx.execute(_SCORE, post_id=post_id)
