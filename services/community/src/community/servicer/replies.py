"""neoforge.community.v1.RepliesService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection
from chassis.errors import InvalidFields, VersionMismatch, Violation
from chassis.house import House
from community import convert
from community.errors import PostLocked, PostNotFound
from community.model.content import (
    MAX_REPLY,
    Post,
    Reply,
    Status,
    Subject,
    SubjectKind,
    Viewer,
    check_body,
)
from community.model.moderation import ActionKind
from community.rendering import render
from community.servicer.access import log, readable_post, readable_reply, reply_for_change
from community.settings import Settings
from community.store import moderation, posts, reactions, replies
from neoforge.community.v1 import replies_pb2 as pb
from neoforge.community.v1 import replies_pb2_grpc


class RepliesServicer(replies_pb2_grpc.RepliesServiceServicer):
    """Answers the calls of RepliesService from PostgreSQL."""

    def __init__(self, house: House[Settings]) -> None:
        self._database = house.database
        self._idempotency = house.idempotency
        self._cursors = house.cursors

    @allow(SIGNED_IN)
    async def CreateReply(self, request: pb.CreateReplyRequest, context: Any) -> pb.CreateReplyResponse:
        viewer = convert.viewer()
        check_body(request.body, MAX_REPLY)
        rendered = await render(request.body)
        bare = Reply.new(
            id=uuid7(),
            post_id=parse_uuid(request.post_id, "post_id"),
            parent_id=parse_uuid(request.parent_id, "parent_id") if request.parent_id else None,
            author_id=calls.current().person,
            body=request.body,
            html=rendered.html,
            excerpt=rendered.excerpt,
            now=datetime.now(UTC),
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateReplyResponse)
            if earlier:
                return earlier
            await self._open_post(tx, bare, viewer)
            reply = await replies.insert(tx, bare, await self._parent(tx, bare))
            made = pb.CreateReplyResponse(reply=convert.reply_proto(reply, viewer))
            return await self._idempotency.record(tx, made)

    @allow(ANYONE)
    async def GetReply(self, request: pb.GetReplyRequest, context: Any) -> pb.GetReplyResponse:
        id_, viewer = parse_uuid(request.id, "id"), convert.viewer()
        async with self._database.connection() as connection:
            reply = await readable_reply(connection, id_, viewer)
        if request.unless_version == reply.version:
            return pb.GetReplyResponse(unchanged_version=reply.version)
        return pb.GetReplyResponse(reply=convert.reply_proto(reply, viewer))

    @allow(ANYONE)
    async def ListReplies(self, request: pb.ListRepliesRequest, context: Any) -> pb.ListRepliesResponse:
        id_, viewer = parse_uuid(request.post_id, "post_id"), convert.viewer()
        scope = f"replies {viewer} {id_}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            await readable_post(connection, id_, viewer)
            page = await replies.page(connection, id_, viewer, page_request, self._cursors, scope)
            reacted = await reactions.counts(connection, [reply.id for reply in page.rows], viewer.person)
        rows = [
            pb.ListedReply(
                reply=convert.reply_proto(reply, viewer),
                reactions=convert.reactions_proto(reacted[reply.id]) if reply.readable_by(viewer) else (),
            )
            for reply in page.rows
        ]
        return pb.ListRepliesResponse(replies=rows, page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdateReply(self, request: pb.UpdateReplyRequest, context: Any) -> pb.UpdateReplyResponse:
        id_, viewer = parse_uuid(request.reply.id, "reply.id"), convert.viewer()
        body = convert.reply_changes(request)["body"]
        check_body(body, MAX_REPLY)
        rendered = await render(body)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateReplyResponse)
            if earlier:
                return earlier
            post, reply = await reply_for_change(tx, id_, viewer)
            VersionMismatch.check("reply", request.expected_version, reply.version)
            changed = reply.changed(body, rendered.html, rendered.excerpt, datetime.now(UTC))
            if changed is not reply:
                await replies.update(tx, changed, reply)
                await self._log_if_moderating(tx, post, reply, ActionKind.EDIT)
            made = pb.UpdateReplyResponse(reply=convert.reply_proto(changed, viewer))
            return await self._idempotency.record(tx, made)

    @allow(SIGNED_IN)
    async def DeleteReply(self, request: pb.DeleteReplyRequest, context: Any) -> pb.DeleteReplyResponse:
        id_, viewer, now = parse_uuid(request.id, "id"), convert.viewer(), datetime.now(UTC)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteReplyResponse)
            if earlier:
                return earlier
            post, reply = await reply_for_change(tx, id_, viewer)
            VersionMismatch.check("reply", request.expected_version, reply.version)
            await replies.update(tx, reply.deleted(now), reply)
            await reactions.forget(tx, id_)
            if post.accepted_reply_id == id_:
                await posts.update(tx, post.with_state(now, accepted_reply_id=None))
            await moderation.close(tx, Subject(SubjectKind.REPLY, id_))
            await self._log_if_moderating(tx, post, reply, ActionKind.DELETE)
            return await self._idempotency.record(tx, pb.DeleteReplyResponse())

    async def _open_post(self, tx: Connection, reply: Reply, viewer: Viewer) -> None:
        post = await posts.get_for_reply(tx, reply.post_id)
        if post is None or post.status is Status.DELETED or not post.visible_to(viewer, 0):
            raise PostNotFound
        if post.locked and not viewer.moderates:
            raise PostLocked

    async def _parent(self, tx: Connection, reply: Reply) -> Reply | None:
        if reply.parent_id is None:
            return None
        # Locked before the post's activity: the order of everyone who locks both.
        parent = await replies.get_for_change(tx, reply.parent_id)
        if parent is None or parent.post_id != reply.post_id or parent.status is not Status.PUBLISHED:
            raise InvalidFields.of([Violation("parent_id", "is no published reply to this post")])
        return parent

    async def _log_if_moderating(self, tx: Connection, post: Post, reply: Reply, kind: ActionKind) -> None:
        person = calls.current().person
        if person != reply.author_id:
            await log(tx, kind, Subject(SubjectKind.REPLY, reply.id), post.id, person, datetime.now(UTC))
