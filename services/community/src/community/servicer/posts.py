"""neoforge.community.v1.PostsService: each RPC parses, decides, stores and replies."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow, with_role
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection
from chassis.errors import InvalidFields, VersionMismatch, Violation
from chassis.house import House
from community import convert
from community.errors import CategoryNotFound
from community.model.content import MODERATORS, Post, Status, Subject, SubjectKind, check_body
from community.model.moderation import ActionKind
from community.rendering import render
from community.servicer.access import log, post_for_change, readable_post
from community.settings import Settings
from community.store import categories, listing, moderation, posts, reactions, replies
from neoforge.community.v1 import posts_pb2 as pb
from neoforge.community.v1 import posts_pb2_grpc

R = TypeVar("R", pb.SetPinnedResponse, pb.SetLockedResponse)


class PostsServicer(posts_pb2_grpc.PostsServiceServicer):
    """Answers the calls of PostsService from PostgreSQL."""

    def __init__(self, house: House[Settings]) -> None:
        self._database = house.database
        self._idempotency = house.idempotency
        self._cursors = house.cursors

    @allow(SIGNED_IN)
    async def CreatePost(self, request: pb.CreatePostRequest, context: Any) -> pb.CreatePostResponse:
        bare = Post.new(
            id=uuid7(),
            author_id=calls.current().person,
            now=datetime.now(UTC),
            category=request.category,
            title=request.title,
            body=request.body,
            tags=tuple(request.tags),
        )
        rendered = await render(bare.body)
        post = replace(bare, html=rendered.html, excerpt=rendered.excerpt)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreatePostResponse)
            if earlier:
                return earlier
            await posts.insert(tx, post)
            return await self._idempotency.record(tx, pb.CreatePostResponse(post=convert.post_proto(post)))

    @allow(ANYONE)
    async def GetPost(self, request: pb.GetPostRequest, context: Any) -> pb.GetPostResponse:
        id_, viewer, known = parse_uuid(request.id, "id"), convert.viewer(), request.unless_version
        async with self._database.connection() as connection:
            if known and await posts.has_version(connection, id_, viewer, known):
                return pb.GetPostResponse(unchanged_version=known)
            post = await readable_post(connection, id_, viewer)
        return pb.GetPostResponse(post=convert.post_proto(post))

    @allow(ANYONE)
    async def ListPosts(self, request: pb.ListPostsRequest, context: Any) -> pb.ListPostsResponse:
        viewer = convert.viewer()
        wanted, order = convert.wanted(request)
        scope = f"posts {viewer} {order.name} {wanted!r}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await listing.page(connection, wanted, viewer, order, page_request, self._cursors, scope)
            found = await posts.summaries(connection, page.rows)
            activities = await reactions.activities(connection, page.rows, viewer.person)
        rows = [
            pb.ListedPost(post=convert.post_proto(found[id_]), activity=convert.activity_proto(activities[id_]))
            for id_ in page.rows
            if id_ in found and id_ in activities  # neither, once it is deleted meanwhile
        ]
        return pb.ListPostsResponse(posts=rows, page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdatePost(self, request: pb.UpdatePostRequest, context: Any) -> pb.UpdatePostResponse:
        id_, viewer = parse_uuid(request.post.id, "post.id"), convert.viewer()
        changes = convert.post_changes(request)
        if "body" in changes:
            check_body(changes["body"])
            rendered = await render(changes["body"])
            changes |= {"html": rendered.html, "excerpt": rendered.excerpt}
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdatePostResponse)
            if earlier:
                return earlier
            post = await post_for_change(tx, id_, viewer)
            VersionMismatch.check("post", request.expected_version, post.version)
            changed = post.changed(changes, datetime.now(UTC))
            if changed is not post:
                await posts.update(tx, changed)
                await self._log_if_moderating(tx, post, ActionKind.EDIT)
            return await self._idempotency.record(tx, pb.UpdatePostResponse(post=convert.post_proto(changed)))

    @allow(SIGNED_IN)
    async def DeletePost(self, request: pb.DeletePostRequest, context: Any) -> pb.DeletePostResponse:
        id_, viewer = parse_uuid(request.id, "id"), convert.viewer()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeletePostResponse)
            if earlier:
                return earlier
            post = await post_for_change(tx, id_, viewer)
            VersionMismatch.check("post", request.expected_version, post.version)
            await posts.delete(tx, post.deleted(datetime.now(UTC)))
            await reactions.forget(tx, id_)
            await moderation.close(tx, Subject(SubjectKind.POST, id_))
            await self._log_if_moderating(tx, post, ActionKind.DELETE)
            return await self._idempotency.record(tx, pb.DeletePostResponse())

    @allow(SIGNED_IN)
    async def SetAcceptedAnswer(
        self, request: pb.SetAcceptedAnswerRequest, context: Any
    ) -> pb.SetAcceptedAnswerResponse:
        id_, viewer = parse_uuid(request.post_id, "post_id"), convert.viewer()
        reply_id = parse_uuid(request.reply_id, "reply_id") if request.reply_id else None
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.SetAcceptedAnswerResponse)
            if earlier:
                return earlier
            post = await post_for_change(tx, id_, viewer)
            if reply_id:
                reply = await replies.get_for_change(tx, reply_id)
                if reply is None or reply.post_id != id_ or reply.status is not Status.PUBLISHED:
                    raise InvalidFields.of([Violation("reply_id", "is no published reply to this post")])
            changed = post.with_state(datetime.now(UTC), accepted_reply_id=reply_id)
            if changed is not post:
                await posts.update(tx, changed)
            return await self._idempotency.record(tx, pb.SetAcceptedAnswerResponse(post=convert.post_proto(changed)))

    @allow(with_role(*MODERATORS))
    async def SetPinned(self, request: pb.SetPinnedRequest, context: Any) -> pb.SetPinnedResponse:
        kind = ActionKind.PIN if request.pinned else ActionKind.UNPIN
        return await self._set(request.post_id, kind, pb.SetPinnedResponse, pinned=request.pinned)

    @allow(with_role(*MODERATORS))
    async def SetLocked(self, request: pb.SetLockedRequest, context: Any) -> pb.SetLockedResponse:
        kind = ActionKind.LOCK if request.locked else ActionKind.UNLOCK
        return await self._set(request.post_id, kind, pb.SetLockedResponse, locked=request.locked)

    @allow(ANYONE)
    async def ReadFeed(self, request: pb.ReadFeedRequest, context: Any) -> pb.ReadFeedResponse:
        async with self._database.connection() as connection:
            category = await categories.get(connection, request.category)
            if request.category and category is None:
                raise CategoryNotFound
            newest = await listing.newest(connection, request.category)
        return pb.ReadFeedResponse(
            category_name=category.name if category else "", posts=map(convert.post_proto, newest)
        )

    async def _set(self, post_id: str, kind: ActionKind, reply: type[R], **state: bool) -> R:
        id_, viewer = parse_uuid(post_id, "post_id"), convert.viewer()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, reply)
            if earlier:
                return earlier
            post = await post_for_change(tx, id_, viewer)
            now = datetime.now(UTC)
            changed = post.with_state(now, **state)
            if changed is not post:
                await posts.update(tx, changed, falls=kind is ActionKind.UNPIN)
                await log(tx, kind, Subject(SubjectKind.POST, id_), id_, calls.current().person, now)
            return await self._idempotency.record(tx, reply(post=convert.post_proto(changed)))

    async def _log_if_moderating(self, tx: Connection, post: Post, kind: ActionKind) -> None:
        person = calls.current().person
        if person != post.author_id:
            await log(tx, kind, Subject(SubjectKind.POST, post.id), post.id, person, datetime.now(UTC))
