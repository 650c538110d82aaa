"""The caller's passkeys."""

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
from gateway.routes.auth_factor_models import NewPasskey, Passkey, PasskeyChanges, PasskeyOptions
from gateway.routes.auth_factors import options_answer, passkey_answer
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import passkeys_pb2 as pb

passkeys: Final = Operations("passkeys")

_PATH: Final = "/api/v1/auth/passkeys"
_ITEM: Final = _PATH + "/{passkey_id:id}"

PasskeyId = Annotated[str, Path(description="The passkey's id.", json_schema_extra={"format": "uuid"})]
Patch = Annotated[PasskeyChanges, Body(media_type="application/merge-patch+json")]


@passkeys.serve(
    _PATH + "/options",
    Declaration(
        Kind.CHANGE,
        "POST",
        PasskeyOptions,
        tagged=Tagged.CONTENT,
        conflicts=("STEP_UP_REQUIRED", "LIMIT_REACHED"),
        about_account=True,
    ),
)
async def begin_passkey_registration(call: Call) -> Answer:
    """Get the options by which a browser makes a passkey; takes a step-up."""
    request = pb.BeginPasskeyRegistrationRequest()
    return options_answer((await call.ask(stubs(call).passkeys.BeginPasskeyRegistration, request)).message)


@passkeys.serve(
    _PATH,
    Declaration(
        Kind.CREATE,
        "POST",
        Passkey,
        success=HTTPStatus.CREATED,
        key=Key.OPTIONAL,
        conflicts=("STEP_UP_REQUIRED", "LIMIT_REACHED"),
        about_account=True,
    ),
)
async def create_passkey(call: Call, body: NewPasskey) -> Answer:
    """Store the passkey that a browser made; takes a step-up."""
    answer = passkey_answer(body)
    reply = await call.ask(
        stubs(call).passkeys.FinishPasskeyRegistration,
        pb.FinishPasskeyRegistrationRequest(
            challenge_id=answer.challenge_id, credential=answer.credential, name=body.name
        ),
    )
    passkey = reply.message.passkey
    return Answer(
        to_json(_passkey_json(passkey)),
        tag=str(passkey.version),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{passkey.id}",
        replayed=reply.replayed,
    )


@passkeys.serve(_PATH, Declaration(Kind.READ, "GET", PaginatedResponse[Passkey], has_cursor=True, about_account=True))
async def list_passkeys(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the caller's passkeys, the newest first, a page at a time."""
    reply = await call.ask(
        stubs(call).passkeys.ListPasskeys,
        pb.ListPasskeysRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""),
    )
    page = reply.message.page
    body = to_json(page_json([_passkey_json(passkey) for passkey in reply.message.passkeys], page))
    return Answer(body, tag=tag_of(body), links=page_links(_PATH, query, page))


@passkeys.serve(_ITEM, Declaration(Kind.READ, "GET", Passkey, about_account=True))
async def get_passkey(call: Call, passkey_id: PasskeyId) -> Answer:
    """Read one passkey."""
    passkey = (await _read(call, passkey_id)).passkey
    return Answer(to_json(_passkey_json(passkey)), tag=str(passkey.version))


@passkeys.serve(
    _ITEM,
    Declaration(Kind.CHANGE, "PATCH", Passkey, key=Key.OPTIONAL, media_types=MERGE_PATCH, about_account=True),
)
async def update_passkey(call: Call, passkey_id: PasskeyId, body: Patch) -> Answer:
    """Rename a passkey."""

    async def current() -> int:
        return int((await _read(call, passkey_id)).passkey.version)

    reply = await call.ask(
        stubs(call).passkeys.UpdatePasskey,
        pb.UpdatePasskeyRequest(
            passkey=pb.Passkey(id=passkey_id, name=body.name),
            update_mask=FieldMask(paths=["name"]),
            expected_version=await call.preconditions.expected_version(current),
        ),
    )
    passkey = reply.message.passkey
    return Answer(to_json(_passkey_json(passkey)), tag=str(passkey.version), replayed=reply.replayed)


@passkeys.serve(
    _ITEM,
    Declaration(
        Kind.REMOVE,
        "DELETE",
        None,
        success=NO_CONTENT,
        key=Key.OPTIONAL,
        tagged=Tagged.CONTENT,
        conflicts=("STEP_UP_REQUIRED",),
        about_account=True,
    ),
)
async def delete_passkey(call: Call, passkey_id: PasskeyId) -> Answer:
    """Remove a passkey; takes a step-up."""
    reply = await call.ask(stubs(call).passkeys.DeletePasskey, pb.DeletePasskeyRequest(id=passkey_id))
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


async def _read(call: Call, id_: str) -> pb.GetPasskeyResponse:
    found: pb.GetPasskeyResponse = await call.look(stubs(call).passkeys.GetPasskey, pb.GetPasskeyRequest(id=id_))
    return found


def _passkey_json(passkey: pb.Passkey) -> dict[str, Any]:
    return {
        "id": passkey.id,
        "name": passkey.name,
        "synced": passkey.synced,
        "created_at": rfc3339(passkey.created_at),
        "updated_at": rfc3339(passkey.updated_at),
        "last_used_at": rfc3339(passkey.last_used_at) if passkey.HasField("last_used_at") else None,
        "version": passkey.version,
    }
