"""Canned replies: texts that agents reply with often; for agents alone."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes import support_models as models
from gateway.routes.support_stubs import stubs
from neoforge.support.v1 import canned_replies_pb2 as pb

canned_replies: Final = Operations("canned replies")

_PATH: Final = "/api/v1/support/canned-replies"
_ITEM: Final = _PATH + "/{canned_reply_id:id}"

CannedReplyId = Annotated[str, Path(description="The canned reply's id.", json_schema_extra={"format": "uuid"})]
CannedReplyPatch = Annotated[models.CannedReplyChanges, Body(media_type="application/merge-patch+json")]


@canned_replies.serve(
    _PATH, Declaration(Kind.CREATE, "POST", models.CannedReply, success=HTTPStatus.CREATED, key=Key.REQUIRED)
)
async def create_canned_reply(call: Call, body: models.NewCannedReply) -> Answer:
    """Create a canned reply; for agents, as all that follows."""
    reply = await call.ask(
        stubs(call).canned_replies.CreateCannedReply,
        pb.CreateCannedReplyRequest(title=body.title, body=body.body),
    )
    canned = reply.message.canned_reply
    return Answer(
        to_json(_canned_json(canned)),
        tag=str(canned.version),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{canned.id}",
        replayed=reply.replayed,
    )


@canned_replies.serve(_PATH, Declaration(Kind.READ, "GET", PaginatedResponse[models.CannedReply], has_cursor=True))
async def list_canned_replies(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the canned replies by title, a page at a time."""
    reply = await call.ask(
        stubs(call).canned_replies.ListCannedReplies,
        pb.ListCannedRepliesRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""),
    )
    page = reply.message.page
    body = to_json(page_json([_canned_json(canned) for canned in reply.message.canned_replies], page))
    return Answer(body, tag=tag_of(body), links=page_links(_PATH, query, page))


@canned_replies.serve(_ITEM, Declaration(Kind.READ, "GET", models.CannedReply))
async def get_canned_reply(call: Call, canned_reply_id: CannedReplyId) -> Answer:
    """Read one canned reply."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(
        stubs(call).canned_replies.GetCannedReply,
        pb.GetCannedReplyRequest(id=canned_reply_id, unless_version=known),
    )
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    canned = reply.message.canned_reply
    return Answer(to_json(_canned_json(canned)), tag=str(canned.version))


@canned_replies.serve(
    _ITEM,
    Declaration(Kind.CHANGE, "PATCH", models.CannedReply, key=Key.OPTIONAL, media_types=MERGE_PATCH),
)
async def update_canned_reply(call: Call, canned_reply_id: CannedReplyId, body: CannedReplyPatch) -> Answer:
    """Change a canned reply, as a JSON merge patch (RFC 7396)."""
    reply = await call.ask(
        stubs(call).canned_replies.UpdateCannedReply,
        pb.UpdateCannedReplyRequest(
            canned_reply=pb.CannedReply(id=canned_reply_id, title=body.title, body=body.body),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_version(call, canned_reply_id),
        ),
    )
    canned = reply.message.canned_reply
    return Answer(to_json(_canned_json(canned)), tag=str(canned.version), replayed=reply.replayed)


@canned_replies.serve(_ITEM, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
async def delete_canned_reply(call: Call, canned_reply_id: CannedReplyId) -> Answer:
    """Delete a canned reply."""
    reply = await call.ask(
        stubs(call).canned_replies.DeleteCannedReply,
        pb.DeleteCannedReplyRequest(
            id=canned_reply_id, expected_version=await _expected_version(call, canned_reply_id)
        ),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


def _canned_json(canned: pb.CannedReply) -> dict[str, Any]:
    return {
        "id": canned.id,
        "title": canned.title,
        "body": canned.body,
        "author_id": canned.author_id,
        "created_at": rfc3339(canned.created_at),
        "updated_at": rfc3339(canned.updated_at),
        "version": canned.version,
    }


async def _expected_version(call: Call, canned_reply_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        request = pb.GetCannedReplyRequest(id=canned_reply_id)
        found = await call.look(stubs(call).canned_replies.GetCannedReply, request)
        return int(found.canned_reply.version)

    return await call.preconditions.expected_version(current)
