"""Personal access tokens, and the audit trail."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes.auth_models import (
    AccessToken,
    AccessTokenChanges,
    AuditEntry,
    AuditQuery,
    CreatedAccessToken,
    NewAccessToken,
)
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import access_tokens_pb2 as pb
from neoforge.auth.v1 import audit_pb2

access_tokens: Final = Operations("access tokens")
audit: Final = Operations("audit")

_AUDIT: Final = "/api/v1/auth/audit"
_PATH: Final = "/api/v1/auth/access-tokens"
_ITEM: Final = _PATH + "/{access_token_id:id}"

AccessTokenId = Annotated[str, Path(description="The token's id.", json_schema_extra={"format": "uuid"})]
Patch = Annotated[AccessTokenChanges, Body(media_type="application/merge-patch+json")]

_SCOPES: Final = {"read": pb.SCOPE_READ, "write": pb.SCOPE_WRITE}
_SCOPE_NAMES: Final = {number: name for name, number in _SCOPES.items()}


@access_tokens.serve(
    _PATH,
    Declaration(
        Kind.CREATE,
        "POST",
        CreatedAccessToken,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("LIMIT_REACHED", "STEP_UP_REQUIRED"),
        about_account=True,
    ),
)
async def create_access_token(call: Call, body: NewAccessToken) -> Answer:
    """Make a personal access token, which is shown this once; takes a step-up."""
    reply = await call.ask(
        stubs(call).access_tokens.CreateAccessToken,
        pb.CreateAccessTokenRequest(name=body.name, scope=_SCOPES[body.scope], days=body.days),
    )
    token = reply.message.access_token
    return Answer(
        to_json({**_token_json(token), "token": reply.message.secret}),
        tag=str(token.version),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{token.id}",
        replayed=reply.replayed,
    )


@access_tokens.serve(
    _PATH, Declaration(Kind.READ, "GET", PaginatedResponse[AccessToken], has_cursor=True, about_account=True)
)
async def list_access_tokens(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the caller's personal access tokens, the newest first, a page at a time."""
    reply = await call.ask(
        stubs(call).access_tokens.ListAccessTokens,
        pb.ListAccessTokensRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""),
    )
    page = reply.message.page
    body = to_json(page_json([_token_json(token) for token in reply.message.access_tokens], page))
    return Answer(body, tag=tag_of(body), links=page_links(_PATH, query, page))


@access_tokens.serve(_ITEM, Declaration(Kind.READ, "GET", AccessToken, about_account=True))
async def get_access_token(call: Call, access_token_id: AccessTokenId) -> Answer:
    """Read one personal access token."""
    token = (await _read(call, access_token_id)).access_token
    return Answer(to_json(_token_json(token)), tag=str(token.version))


@access_tokens.serve(
    _ITEM,
    Declaration(Kind.CHANGE, "PATCH", AccessToken, key=Key.OPTIONAL, media_types=MERGE_PATCH, about_account=True),
)
async def update_access_token(call: Call, access_token_id: AccessTokenId, body: Patch) -> Answer:
    """Rename a personal access token."""

    async def current() -> int:
        return int((await _read(call, access_token_id)).access_token.version)

    reply = await call.ask(
        stubs(call).access_tokens.UpdateAccessToken,
        pb.UpdateAccessTokenRequest(
            access_token=pb.AccessToken(id=access_token_id, name=body.name),
            update_mask=FieldMask(paths=["name"]),
            expected_version=await call.preconditions.expected_version(current),
        ),
    )
    token = reply.message.access_token
    return Answer(to_json(_token_json(token)), tag=str(token.version), replayed=reply.replayed)


@access_tokens.serve(
    _ITEM,
    Declaration(
        Kind.REMOVE,
        "DELETE",
        None,
        success=NO_CONTENT,
        key=Key.OPTIONAL,
        tagged=Tagged.CONTENT,
        about_account=True,
    ),
)
async def revoke_access_token(call: Call, access_token_id: AccessTokenId) -> Answer:
    """Revoke a personal access token: it is refused everywhere within a second."""
    reply = await call.ask(stubs(call).access_tokens.RevokeAccessToken, pb.RevokeAccessTokenRequest(id=access_token_id))
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@audit.serve(_AUDIT, Declaration(Kind.READ, "GET", PaginatedResponse[AuditEntry], has_cursor=True, about_account=True))
async def list_audit_entries(call: Call, query: Annotated[AuditQuery, Query()]) -> Answer:
    """List what happened to the caller's account and sessions, or to everybody's for an administrator who asks."""
    reply = await call.ask(
        stubs(call).audit.ListAuditEntries,
        audit_pb2.ListAuditEntriesRequest(
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
            everybody=query.everybody == "true",
        ),
    )
    page = reply.message.page
    body = to_json(page_json([_entry_json(entry) for entry in reply.message.entries], page))
    return Answer(body, tag=tag_of(body), links=page_links(_AUDIT, query, page))


async def _read(call: Call, id_: str) -> pb.GetAccessTokenResponse:
    found: pb.GetAccessTokenResponse = await call.look(
        stubs(call).access_tokens.GetAccessToken, pb.GetAccessTokenRequest(id=id_)
    )
    return found


def _token_json(token: pb.AccessToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "scope": _SCOPE_NAMES[token.scope],
        "created_at": rfc3339(token.created_at),
        "updated_at": rfc3339(token.updated_at),
        "expires_at": rfc3339(token.expires_at),
        "last_used_at": rfc3339(token.last_used_at) if token.HasField("last_used_at") else None,
        "version": token.version,
    }


def _entry_json(entry: audit_pb2.AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "created_at": rfc3339(entry.created_at),
        "kind": entry.kind,
        "account_id": entry.account_id or None,
        "actor_id": entry.actor_id or None,
        "session_id": entry.session_id or None,
        "address": entry.address,
        "request_id": entry.request_id,
        "trace_id": entry.trace_id,
        "details": dict(entry.details),
    }
