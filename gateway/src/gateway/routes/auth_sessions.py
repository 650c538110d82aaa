"""Sessions: signing in, refreshing, the list of one's devices, signing out."""

import time
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from pydantic_core import to_json

from gateway import browser
from gateway.body import JSON_OR_FORM, MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.problems import Problem
from gateway.representation import Answer, tag_of
from gateway.routes.auth_factor_models import (
    PasskeyOptions,
    PasskeySignIn,
    PendingStep,
    SecondStep,
    SteppedUp,
    StepUpProof,
)
from gateway.routes.auth_factors import factor_proof, passkey_answer, passkey_options, proving
from gateway.routes.auth_models import (
    EndedSessions,
    KeySet,
    RefreshRequest,
    Session,
    SessionLabel,
    SignOutRequest,
    TokenRequest,
    Tokens,
)
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import passkeys_pb2
from neoforge.auth.v1 import sessions_pb2 as pb
from neoforge.auth.v1.verification_pb2 import GetKeySetRequest

sessions: Final = Operations("sessions")
keys: Final = Operations("sessions", group="keys")
"""What signing in and out doesn't change."""

_NOTHING: Final = RefreshRequest()
"""What a request without a body says."""
_PATH: Final = "/api/v1/auth"
_SESSIONS: Final = _PATH + "/sessions"
_ITEM: Final = _SESSIONS + "/{session_id:id}"

SessionId = Annotated[str, Path(description="The session's id.", json_schema_extra={"format": "uuid"})]
Patch = Annotated[SessionLabel, Body(media_type="application/merge-patch+json")]


@sessions.serve(
    _PATH + "/token",
    Declaration(
        Kind.CHANGE,
        "POST",
        Tokens,
        tagged=Tagged.CONTENT,
        media_types=JSON_OR_FORM,
        conflicts=(
            "INVALID_CREDENTIALS",
            "SECOND_FACTOR_REQUIRED",
            "INVALID_REFRESH_TOKEN",
            "TOO_MANY_ATTEMPTS",
            "CROSS_SITE",
        ),
        credentials="credentials",
    ),
)
async def sign_in(call: Call, body: TokenRequest) -> Answer:
    """Get the tokens of a new session by address and password, or the next tokens of one by its refresh token.

    Where a second factor is on, the answer is a problem that says so, and what to send to /token/second-factor.
    """
    if body.grant_type == "refresh_token":
        return await _refreshed(call, body.refresh_token or "", in_cookie=False)
    if body.transport == "cookie":
        browser.require_own_page(call)
    reply = await call.ask(
        stubs(call).sessions.SignIn,
        pb.SignInRequest(email=body.username or "", password=body.password or "", user_agent=_user_agent(call)),
    )
    if reply.message.HasField("pending"):
        raise _second_factor_required(reply.message.pending)
    return _tokens(reply.message.tokens, in_cookie=body.transport == "cookie")


@sessions.serve(
    _PATH + "/token/second-factor",
    proving(
        Tokens,
        conflicts=(
            "INVALID_CODE",
            "INVALID_PASSKEY",
            "INVALID_PENDING_SIGN_IN",
            "TOO_MANY_ATTEMPTS",
            "CROSS_SITE",
        ),
    ),
)
async def complete_sign_in(call: Call, body: SecondStep) -> Answer:
    """Complete a sign-in by a code of the app, a recovery code or a passkey, and get the tokens of a new session."""
    if body.transport == "cookie":
        browser.require_own_page(call)
    request = pb.CompleteSignInRequest(pending=body.pending, factor=factor_proof(body), user_agent=_user_agent(call))
    reply = await call.ask(stubs(call).sessions.CompleteSignIn, request)
    return _tokens(reply.message.tokens, in_cookie=body.transport == "cookie")


@sessions.serve(
    _PATH + "/token/second-factor/passkey",
    proving(PasskeyOptions, conflicts=("INVALID_PENDING_SIGN_IN",)),
)
async def begin_second_factor_by_passkey(call: Call, body: PendingStep) -> Answer:
    """Get the options to complete a sign-in by one of the account's passkeys."""
    return await passkey_options(call, passkeys_pb2.PASSKEY_PURPOSE_SECOND_FACTOR, body.pending)


@sessions.serve(_PATH + "/token/passkey/options", proving(PasskeyOptions))
async def begin_sign_in_by_passkey(call: Call) -> Answer:
    """Get the options to sign in by whichever passkey the person chooses."""
    return await passkey_options(call, passkeys_pb2.PASSKEY_PURPOSE_SIGN_IN)


@sessions.serve(_PATH + "/token/passkey", proving(Tokens, conflicts=("INVALID_PASSKEY", "CROSS_SITE")))
async def sign_in_with_passkey(call: Call, body: PasskeySignIn) -> Answer:
    """Get the tokens of a new session by a passkey alone."""
    if body.transport == "cookie":
        browser.require_own_page(call)
    request = pb.SignInWithPasskeyRequest(passkey=passkey_answer(body), user_agent=_user_agent(call))
    reply = await call.ask(stubs(call).sessions.SignInWithPasskey, request)
    return _tokens(reply.message.tokens, in_cookie=body.transport == "cookie")


@sessions.serve(
    _PATH + "/step-up",
    Declaration(
        Kind.CHANGE,
        "POST",
        SteppedUp,
        tagged=Tagged.CONTENT,
        conflicts=("WRONG_PASSWORD", "WRONG_SECOND_FACTOR", "STEP_UP_REQUIRED", "TOO_MANY_ATTEMPTS", "NOT_FOUND"),
        about_account=True,
    ),
)
async def step_up(call: Call, body: StepUpProof) -> Answer:
    """Prove again who is at the device: for ten minutes the session may do what is sensitive."""
    by_password = body.password is not None
    request = (
        pb.StepUpRequest(password=body.password or "") if by_password else pb.StepUpRequest(factor=factor_proof(body))
    )
    reply = await call.ask(stubs(call).sessions.StepUp, request)
    return Answer(to_json({"expires_at": rfc3339(reply.message.expires_at)}))


@sessions.serve(
    _PATH + "/step-up/passkey",
    Declaration(Kind.CHANGE, "POST", PasskeyOptions, tagged=Tagged.CONTENT, about_account=True),
)
async def begin_step_up_by_passkey(call: Call) -> Answer:
    """Get the options to step the session up by one of the caller's passkeys."""
    return await passkey_options(call, passkeys_pb2.PASSKEY_PURPOSE_STEP_UP)


@sessions.serve(
    _PATH + "/refresh",
    Declaration(
        Kind.CHANGE,
        "POST",
        Tokens,
        tagged=Tagged.CONTENT,
        media_types=JSON_OR_FORM,
        conflicts=("INVALID_REFRESH_TOKEN", "CROSS_SITE"),
        credentials="refreshes",
    ),
)
async def refresh(call: Call, body: RefreshRequest = _NOTHING) -> Answer:
    """Get the next tokens of a session. All who ask at once get the same; a failure never removes a cookie."""
    if body.refresh_token is not None:
        return await _refreshed(call, body.refresh_token, in_cookie=False)
    token = browser.refresh_token_of(call)
    if token is None:
        raise Problem("INVALID_REFRESH_TOKEN", "There is no refresh token, neither in the body nor in the cookie.")
    return await _refreshed(call, token, in_cookie=True)


@sessions.serve(
    _PATH + "/logout",
    Declaration(
        Kind.CHANGE,
        "POST",
        None,
        success=NO_CONTENT,
        tagged=Tagged.CONTENT,
        conflicts=("CROSS_SITE",),
        credentials="refreshes",
        about_account=True,
    ),
)
async def sign_out(call: Call, body: SignOutRequest = _NOTHING) -> Answer:
    """End the session of the refresh token in the body or the cookie, else that of the access token.

    Whoever has signed out already by a refresh token gets the same answer.
    """
    token = body.refresh_token if body.refresh_token is not None else browser.refresh_token_of(call)
    by_access_token = token is None and "authorization" in call.headers
    if by_access_token:
        await call.identify_by_token()
    if token is not None or by_access_token:
        await call.look(stubs(call).sessions.SignOut, pb.SignOutRequest(refresh_token=token or ""))
    cookies = (browser.dropping(),) if body.refresh_token is None and token is not None else ()
    return Answer(status=NO_CONTENT, cookies=cookies)


@sessions.serve(
    _SESSIONS, Declaration(Kind.READ, "GET", PaginatedResponse[Session], has_cursor=True, about_account=True)
)
async def list_sessions(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the caller's sessions, the newest first, a page at a time."""
    reply = await call.ask(
        stubs(call).sessions.ListSessions,
        pb.ListSessionsRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""),
    )
    page = reply.message.page
    body = to_json(page_json([_session_json(session) for session in reply.message.sessions], page))
    return Answer(body, tag=tag_of(body), links=page_links(_SESSIONS, query, page))


@sessions.serve(
    _ITEM,
    Declaration(Kind.CHANGE, "PATCH", Session, tagged=Tagged.CONTENT, media_types=MERGE_PATCH, about_account=True),
)
async def label_session(call: Call, session_id: SessionId, body: Patch) -> Answer:
    """Give a session another label."""
    reply = await call.ask(stubs(call).sessions.LabelSession, pb.LabelSessionRequest(id=session_id, label=body.label))
    return Answer(to_json(_session_json(reply.message.session)))


@sessions.serve(
    _ITEM + "/revoke",
    Declaration(Kind.CHANGE, "POST", None, success=NO_CONTENT, tagged=Tagged.CONTENT, about_account=True),
)
async def revoke_session(call: Call, session_id: SessionId) -> Answer:
    """End a session; its access tokens are refused everywhere within a second."""
    await call.ask(stubs(call).sessions.RevokeSession, pb.RevokeSessionRequest(id=session_id))
    return Answer(status=NO_CONTENT)


@sessions.serve(
    _SESSIONS + "/revoke-others",
    Declaration(Kind.CHANGE, "POST", EndedSessions, tagged=Tagged.CONTENT, about_account=True),
)
async def revoke_other_sessions(call: Call) -> Answer:
    """End all of the caller's sessions but this one."""
    reply = await call.ask(stubs(call).sessions.RevokeOtherSessions, pb.RevokeOtherSessionsRequest())
    return Answer(to_json({"revoked_sessions": reply.message.revoked_sessions}))


@keys.serve(
    _PATH + "/jwks.json",
    Declaration(Kind.READ, "GET", KeySet, tagged=Tagged.CONTENT, public=True, for_programs=True),
)
async def get_key_set(call: Call) -> Answer:
    """Give the public keys that access tokens are signed with, as a JWK set (RFC 7517)."""
    reply = await call.ask(stubs(call).verification.GetKeySet, GetKeySetRequest())
    body = reply.message.jwks.encode()
    return Answer(body, tag=tag_of(body))


async def _refreshed(call: Call, token: str, *, in_cookie: bool) -> Answer:
    reply = await call.look(stubs(call).sessions.Refresh, pb.RefreshRequest(refresh_token=token))
    return _tokens(reply.tokens, in_cookie=in_cookie)


def _user_agent(call: Call) -> str:
    return call.headers.get("user-agent", "")[:400]


def _second_factor_required(pending: pb.PendingSignIn) -> Problem:
    shown = {
        "pending": pending.token,
        "expires_at": rfc3339(pending.expires_at),
        "methods": list(pending.methods),
    }
    return Problem(
        "SECOND_FACTOR_REQUIRED",
        "The password is right, and a second factor is needed beside it.",
        headers=[(b"www-authenticate", b'Bearer realm="neoforge"')],
        error="mfa_required",
        members={"second_factor": shown},
    )


def _tokens(tokens: pb.Tokens, *, in_cookie: bool) -> Answer:
    shown = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": None if in_cookie else tokens.refresh_token,
        "refresh_expires_at": rfc3339(tokens.refresh_expires_at),
        "session_id": tokens.session_id,
    }
    if not in_cookie:
        return Answer(to_json(shown))
    left = tokens.refresh_expires_at.seconds - int(time.time())
    return Answer(to_json(shown), cookies=(browser.keeping(tokens.refresh_token, left),))


def _session_json(session: pb.Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "label": session.label,
        "user_agent": session.user_agent,
        "address": session.address,
        "created_at": rfc3339(session.created_at),
        "last_used_at": rfc3339(session.last_used_at),
        "expires_at": rfc3339(session.expires_at),
        "is_current": session.is_current,
    }
