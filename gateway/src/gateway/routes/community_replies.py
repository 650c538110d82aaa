"""Replies to posts and to each other."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes.community_json import reactions_json, reply_json
from gateway.routes.community_models import ListedReply, NewReply, Reactions, Reply, ReplyChanges
from gateway.routes.community_posts import ITEM, PATH, ROOT, PostId, Reaction, reacted, reaction_kind, stubs
from neoforge.community.v1 import content_pb2, reactions_pb2
from neoforge.community.v1 import replies_pb2 as pb

replies: Final = Operations("community")

_OF_POST: Final = ITEM + "/replies"
REPLIES: Final = ROOT + "/replies"
REPLY: Final = REPLIES + "/{reply_id:id}"

ReplyId = Annotated[str, Path(description="The reply's id.", json_schema_extra={"format": "uuid"})]
Patch = Annotated[ReplyChanges, Body(media_type="application/merge-patch+json")]


@replies.serve(_OF_POST, Declaration(Kind.READ, "GET", PaginatedResponse[ListedReply], has_cursor=True, public=True))
async def list_replies(call: Call, post_id: PostId, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the replies to a post in the order of its threads, a page at a time."""
    reply = await call.ask(
        stubs(call).replies.ListReplies,
        pb.ListRepliesRequest(
            post_id=post_id, page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
        ),
    )
    page = reply.message.page
    rows = [{**reply_json(row.reply), "reactions": reactions_json(row.reactions)} for row in reply.message.replies]
    body = to_json(page_json(rows, page))
    return Answer(body, tag=tag_of(body), links=page_links(f"{PATH}/{post_id}/replies", query, page))


@replies.serve(_OF_POST, Declaration(Kind.CREATE, "POST", Reply, success=HTTPStatus.CREATED, key=Key.REQUIRED))
async def create_reply(call: Call, post_id: PostId, body: NewReply) -> Answer:
    """Reply to a post or to one of its replies."""
    request = pb.CreateReplyRequest(post_id=post_id, parent_id=body.parent_id or "", body=body.body)
    reply = await call.ask(stubs(call).replies.CreateReply, request)
    made = reply.message.reply
    return _answer(made, status=HTTPStatus.CREATED, location=f"{REPLIES}/{made.id}", replayed=reply.replayed)


@replies.serve(REPLY, Declaration(Kind.READ, "GET", Reply, public=True))
async def get_reply(call: Call, reply_id: ReplyId) -> Answer:
    """Read one reply."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(stubs(call).replies.GetReply, pb.GetReplyRequest(id=reply_id, unless_version=known))
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    return _answer(reply.message.reply)


@replies.serve(REPLY, Declaration(Kind.CHANGE, "PATCH", Reply, key=Key.OPTIONAL, media_types=MERGE_PATCH))
async def update_reply(call: Call, reply_id: ReplyId, body: Patch) -> Answer:
    """Change a reply, as a JSON merge patch (RFC 7396); for its author and moderators."""
    reply = await call.ask(
        stubs(call).replies.UpdateReply,
        pb.UpdateReplyRequest(
            reply=pb.Reply(id=reply_id, body=body.body),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_version(call, reply_id),
        ),
    )
    return _answer(reply.message.reply, replayed=reply.replayed)


@replies.serve(REPLY, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
async def delete_reply(call: Call, reply_id: ReplyId) -> Answer:
    """Delete a reply's text for good; for its author and moderators."""
    reply = await call.ask(
        stubs(call).replies.DeleteReply,
        pb.DeleteReplyRequest(id=reply_id, expected_version=await _expected_version(call, reply_id)),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@replies.serve(
    REPLY + "/reactions/{kind}",
    Declaration(Kind.CHANGE, "PUT", Reactions, key=Key.OPTIONAL, tagged=Tagged.CONTENT),
)
async def react_to_reply(call: Call, reply_id: ReplyId, kind: Reaction) -> Answer:
    """React to a reply; a second time changes nothing."""
    subject = content_pb2.Subject(reply_id=reply_id)
    request = reactions_pb2.AddReactionRequest(subject=subject, kind=reaction_kind(kind))
    return reacted(await call.ask(stubs(call).reactions.AddReaction, request))


@replies.serve(
    REPLY + "/reactions/{kind}",
    Declaration(Kind.REMOVE, "DELETE", Reactions, key=Key.OPTIONAL, tagged=Tagged.CONTENT),
)
async def unreact_to_reply(call: Call, reply_id: ReplyId, kind: Reaction) -> Answer:
    """Take a reaction back; changes nothing when there is none."""
    subject = content_pb2.Subject(reply_id=reply_id)
    request = reactions_pb2.RemoveReactionRequest(subject=subject, kind=reaction_kind(kind))
    return reacted(await call.ask(stubs(call).reactions.RemoveReaction, request))


def _answer(reply: pb.Reply, **more: Any) -> Answer:
    return Answer(to_json(reply_json(reply)), tag=str(reply.version), **more)


async def _expected_version(call: Call, reply_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(stubs(call).replies.GetReply, pb.GetReplyRequest(id=reply_id))
        return int(found.reply.version)

    return await call.preconditions.expected_version(current)
