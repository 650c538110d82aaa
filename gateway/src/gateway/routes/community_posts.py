"""Posts, what readers make of them, and their feed."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.atom import MEDIA_TYPE as ATOM
from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.operations import Operations
from gateway.paging import PaginatedResponse, page_json, page_links
from gateway.problems import Problem
from gateway.representation import Answer, tag_of
from gateway.routes.community_feed import feed
from gateway.routes.community_json import (
    ANSWERED,
    ORDERS,
    REACTION_KINDS,
    activity_json,
    excerpt_json,
    post_json,
    reactions_json,
)
from gateway.routes.community_models import (
    AcceptedAnswer,
    Activity,
    FeedQuery,
    ListedPost,
    NewPost,
    Post,
    PostChanges,
    PostQuery,
    Reactions,
)
from gateway.routes.community_stubs import CommunityStubs
from neoforge.community.v1 import content_pb2, reactions_pb2
from neoforge.community.v1 import posts_pb2 as pb

posts: Final = Operations("community")

ROOT: Final = "/api/v1/community"
PATH: Final = ROOT + "/posts"
ITEM: Final = PATH + "/{post_id:id}"
_FEED: Final = ROOT + "/feed.atom"

PostId = Annotated[str, Path(description="The post's id.", json_schema_extra={"format": "uuid"})]
Reaction = Annotated[str, Path(description="The kind of reaction.", json_schema_extra={"enum": list(REACTION_KINDS)})]
Patch = Annotated[PostChanges, Body(media_type="application/merge-patch+json")]


def stubs(call: Call) -> CommunityStubs:
    """Give the community service."""
    return call.parts.service(CommunityStubs)


def reaction_kind(name: str) -> "content_pb2.ReactionKind.ValueType":
    """Give a kind of reaction by its name in a path.

    Raises:
        Problem: NOT_FOUND, when there is none.
    """
    if name not in REACTION_KINDS:
        raise Problem("NOT_FOUND", "There is no such kind of reaction: " + ", ".join(REACTION_KINDS) + ".")
    kind: content_pb2.ReactionKind.ValueType = REACTION_KINDS[name]
    return kind


@posts.serve(
    _FEED,
    Declaration(
        Kind.READ,
        "GET",
        None,
        tagged=Tagged.CONTENT,
        public=True,
        names_in_query=True,
        embedded=True,
        media_type=ATOM,
    ),
)
async def read_community_feed(call: Call, query: Annotated[FeedQuery, Query()]) -> Answer:
    """Read the newest 20 posts as an Atom feed (RFC 4287)."""
    reply = (await call.ask(stubs(call).posts.ReadFeed, pb.ReadFeedRequest(category=query.category or ""))).message
    public_url = call.parts.settings.public_url
    address = public_url + _FEED + (f"?category={quote(query.category)}" if query.category else "")
    body = feed(reply.posts, name=reply.category_name, address=address, public_url=public_url)
    return Answer(body, tag=tag_of(body), media_type=ATOM)


@posts.serve(ITEM, Declaration(Kind.READ, "GET", Post, public=True))
async def get_post(call: Call, post_id: PostId) -> Answer:
    """Read one post. A deleted one stays without its text while it has replies."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(stubs(call).posts.GetPost, pb.GetPostRequest(id=post_id, unless_version=known))
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    return _answer(reply.message.post)


@posts.serve(PATH, Declaration(Kind.READ, "GET", PaginatedResponse[ListedPost], has_cursor=True, public=True))
async def list_posts(call: Call, query: Annotated[PostQuery, Query()]) -> Answer:
    """List posts, pinned ones first, a page at a time."""
    if query.author == "me" and call.caller.subject is None:
        raise Problem("UNAUTHENTICATED", "Sign in to list your own.", headers=[(b"www-authenticate", b"Bearer")])
    author = str(call.caller.subject) if query.author == "me" else query.author
    reply = await call.ask(
        stubs(call).posts.ListPosts,
        pb.ListPostsRequest(
            category=query.category or "",
            tag=query.tag or "",
            author_id=author or "",
            answered=ANSWERED[query.answered] if query.answered else pb.ANSWERED_UNSPECIFIED,
            text=query.text,
            order=ORDERS[query.order],
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
        ),
    )
    page = reply.message.page
    rows = [{**excerpt_json(row.post), "activity": activity_json(row.activity)} for row in reply.message.posts]
    body = to_json(page_json(rows, page))
    return Answer(body, tag=tag_of(body), links=page_links(PATH, query, page))


@posts.serve(PATH, Declaration(Kind.CREATE, "POST", Post, success=HTTPStatus.CREATED, key=Key.REQUIRED))
async def create_post(call: Call, body: NewPost) -> Answer:
    """Publish a post."""
    request = pb.CreatePostRequest(category=body.category, title=body.title, body=body.body, tags=body.tags)
    reply = await call.ask(stubs(call).posts.CreatePost, request)
    post = reply.message.post
    return _answer(post, status=HTTPStatus.CREATED, location=f"{PATH}/{post.id}", replayed=reply.replayed)


@posts.serve(ITEM, Declaration(Kind.CHANGE, "PATCH", Post, key=Key.OPTIONAL, media_types=MERGE_PATCH))
async def update_post(call: Call, post_id: PostId, body: Patch) -> Answer:
    """Change a post, as a JSON merge patch (RFC 7396); for its author and moderators."""
    reply = await call.ask(
        stubs(call).posts.UpdatePost,
        pb.UpdatePostRequest(
            post=pb.Post(id=post_id, category=body.category, title=body.title, body=body.body, tags=body.tags or ()),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_version(call, post_id),
        ),
    )
    return _answer(reply.message.post, replayed=reply.replayed)


@posts.serve(ITEM, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
async def delete_post(call: Call, post_id: PostId) -> Answer:
    """Delete a post's text for good; for its author and moderators."""
    reply = await call.ask(
        stubs(call).posts.DeletePost,
        pb.DeletePostRequest(id=post_id, expected_version=await _expected_version(call, post_id)),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@posts.serve(ITEM + "/activity", Declaration(Kind.READ, "GET", Activity, tagged=Tagged.CONTENT, public=True))
async def get_post_activity(call: Call, post_id: PostId) -> Answer:
    """Read what readers made of a post: reactions, replies, points."""
    reply = await call.ask(stubs(call).reactions.GetActivity, reactions_pb2.GetActivityRequest(post_id=post_id))
    body = to_json(activity_json(reply.message.activity))
    return Answer(body, tag=tag_of(body))


_STATE: Final[dict[str, Any]] = {"key": Key.OPTIONAL, "tagged": Tagged.CONTENT}


@posts.serve(ITEM + "/reactions/{kind}", Declaration(Kind.CHANGE, "PUT", Reactions, **_STATE))
async def react_to_post(call: Call, post_id: PostId, kind: Reaction) -> Answer:
    """React to a post; a second time changes nothing."""
    request = reactions_pb2.AddReactionRequest(subject=content_pb2.Subject(post_id=post_id), kind=reaction_kind(kind))
    reply = await call.ask(stubs(call).reactions.AddReaction, request)
    return reacted(reply)


@posts.serve(ITEM + "/reactions/{kind}", Declaration(Kind.REMOVE, "DELETE", Reactions, **_STATE))
async def unreact_to_post(call: Call, post_id: PostId, kind: Reaction) -> Answer:
    """Take a reaction back; changes nothing when there is none."""
    subject = content_pb2.Subject(post_id=post_id)
    request = reactions_pb2.RemoveReactionRequest(subject=subject, kind=reaction_kind(kind))
    reply = await call.ask(stubs(call).reactions.RemoveReaction, request)
    return reacted(reply)


@posts.serve(ITEM + "/accepted-answer", Declaration(Kind.CHANGE, "PUT", Post, **_STATE))
async def accept_answer(call: Call, post_id: PostId, body: AcceptedAnswer) -> Answer:
    """Mark a reply as the answer; for the post's author and moderators."""
    return await _accept(call, post_id, body.reply_id)


@posts.serve(ITEM + "/accepted-answer", Declaration(Kind.REMOVE, "DELETE", Post, **_STATE))
async def unaccept_answer(call: Call, post_id: PostId) -> Answer:
    """Mark no reply as the answer; for the post's author and moderators."""
    return await _accept(call, post_id, "")


@posts.serve(ITEM + "/pin", Declaration(Kind.CHANGE, "PUT", Post, **_STATE))
async def pin_post(call: Call, post_id: PostId) -> Answer:
    """Pin a post to the head of its lists; for moderators."""
    return _set(await call.ask(stubs(call).posts.SetPinned, pb.SetPinnedRequest(post_id=post_id, pinned=True)))


@posts.serve(ITEM + "/pin", Declaration(Kind.REMOVE, "DELETE", Post, **_STATE))
async def unpin_post(call: Call, post_id: PostId) -> Answer:
    """Unpin a post; for moderators."""
    return _set(await call.ask(stubs(call).posts.SetPinned, pb.SetPinnedRequest(post_id=post_id, pinned=False)))


@posts.serve(ITEM + "/lock", Declaration(Kind.CHANGE, "PUT", Post, **_STATE))
async def lock_post(call: Call, post_id: PostId) -> Answer:
    """Close a post to new replies; for moderators, who may still reply."""
    return _set(await call.ask(stubs(call).posts.SetLocked, pb.SetLockedRequest(post_id=post_id, locked=True)))


@posts.serve(ITEM + "/lock", Declaration(Kind.REMOVE, "DELETE", Post, **_STATE))
async def unlock_post(call: Call, post_id: PostId) -> Answer:
    """Open a post to replies again; for moderators."""
    return _set(await call.ask(stubs(call).posts.SetLocked, pb.SetLockedRequest(post_id=post_id, locked=False)))


def reacted(reply: Any) -> Answer:
    """Answer with the reactions as they are now."""
    return Answer(to_json({"reactions": reactions_json(reply.message.reactions)}), replayed=reply.replayed)


def _answer(post: pb.Post, **more: Any) -> Answer:
    return Answer(to_json(post_json(post)), tag=str(post.version), **more)


def _set(reply: Any) -> Answer:
    return Answer(to_json(post_json(reply.message.post)), replayed=reply.replayed)


async def _accept(call: Call, post_id: str, reply_id: str) -> Answer:
    request = pb.SetAcceptedAnswerRequest(post_id=post_id, reply_id=reply_id)
    return _set(await call.ask(stubs(call).posts.SetAcceptedAnswer, request))


async def _expected_version(call: Call, post_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(stubs(call).posts.GetPost, pb.GetPostRequest(id=post_id))
        return int(found.post.version)

    return await call.preconditions.expected_version(current)
