"""What a caller may read and change, looked up in the one order of locks: post, then reply."""

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from community.errors import NotTheAuthor, PostNotFound, ReplyNotFound
from community.model.content import Post, Reply, Status, Subject, SubjectKind, Viewer
from community.model.moderation import Action, ActionKind
from community.store import moderation, posts, replies


async def readable_post(connection: Connection, id: UUID, viewer: Viewer) -> Post:  # noqa: A002 - the field's name
    """Give a post that the viewer may read.

    Raises:
        PostNotFound: there is none, for them.
    """
    post = await posts.get(connection, id, viewer)
    if post is None:
        raise PostNotFound
    return post


async def readable_reply(connection: Connection, id: UUID, viewer: Viewer) -> Reply:  # noqa: A002 - the field's name
    """Give a reply that the viewer may read, to a post that they may read; their own, wherever it stands.

    Raises:
        ReplyNotFound: there is none, for them.
    """
    reply = await replies.get(connection, id)
    if reply is None or not reply.readable_by(viewer):
        raise ReplyNotFound
    if reply.author_id != viewer.person and await posts.get(connection, reply.post_id, viewer) is None:
        raise ReplyNotFound
    return reply


async def post_for_change(tx: Connection, id: UUID, viewer: Viewer) -> Post:  # noqa: A002 - the field's name
    """Give a post that the viewer may change, locked until the transaction ends.

    Raises:
        PostNotFound: there is none, for them.
        NotTheAuthor: they may read it, but neither wrote it nor moderate.
    """
    post = await posts.get_for_change(tx, id)
    if post is None or post.status is Status.DELETED or not post.visible_to(viewer, 0):
        raise PostNotFound
    if not viewer.may_change(post.author_id):
        raise NotTheAuthor
    return post


async def reply_for_change(tx: Connection, id: UUID, viewer: Viewer) -> tuple[Post, Reply]:  # noqa: A002
    """Give a reply that the viewer may change, and its post, both locked until the transaction ends.

    Raises:
        ReplyNotFound: there is none, for them.
        NotTheAuthor: they may read it, but neither wrote it nor moderate.
    """
    known = await replies.get(tx, id)
    post = await posts.get_for_change(tx, known.post_id) if known else None
    reply = await replies.get_for_change(tx, id) if post else None
    if post is None or reply is None or not reply.readable_by(viewer):
        raise ReplyNotFound
    if reply.author_id != viewer.person and not post.visible_to(viewer, 1):
        raise ReplyNotFound
    if not viewer.may_change(reply.author_id):
        raise NotTheAuthor
    return post, reply


async def published(connection: Connection, subject: Subject) -> tuple[UUID, UUID]:
    """Give the post that a published post or reply is or belongs to, and its author.

    Raises:
        PostNotFound: there is no such post.
        ReplyNotFound: there is no such reply.
    """
    nobody = Viewer(None, moderates=False)
    if subject.kind is SubjectKind.REPLY:
        reply = await readable_reply(connection, subject.id, nobody)
        return reply.post_id, reply.author_id
    post = await readable_post(connection, subject.id, nobody)
    if post.status is not Status.PUBLISHED:
        raise PostNotFound
    return post.id, post.author_id


async def log(
    tx: Connection, kind: ActionKind, subject: Subject, post_id: UUID, by: UUID, now: datetime, reason: str = ""
) -> None:
    """Write down what a moderator did."""
    await moderation.log(tx, Action(uuid7(), kind, subject, post_id, by, reason, now))
