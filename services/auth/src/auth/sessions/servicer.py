"""neoforge.auth.v1.SessionsService: each RPC parses, decides, stores and replies."""

from typing import Any
from uuid import UUID

from auth.accounts import store as accounts
from auth.accounts.model import Grant
from auth.audit.trail import session_of
from auth.equipment import Equipment
from auth.errors import (
    InvalidCode,
    InvalidCredentials,
    InvalidPasskey,
    InvalidPendingSignIn,
    InvalidRefreshToken,
    SessionNotFound,
    WrongSecondFactor,
)
from auth.factors.proof import PASSKEY, SecondFactor, method_of
from auth.metrics import refreshes
from auth.notices import Notices
from auth.passkeys.model import Purpose
from auth.passkeys.proof import CopiedPasskey, PasskeyProof
from auth.sessions import pending, store, tokens
from auth.sessions.convert import session_proto
from auth.sessions.model import MAX_LABEL, Session, Verdict
from auth.sessions.signin import SignIn
from auth.sessions.stepup import StepUps
from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow
from chassis.convert import page_proto, parse_uuid, timestamp
from chassis.database import Connection
from chassis.errors import InvalidFields
from chassis.text import check_text
from chassis.threats import threats
from neoforge.auth.v1 import sessions_pb2 as pb
from neoforge.auth.v1 import sessions_pb2_grpc

_NO_SESSION = UUID(int=0)


class SessionsServicer(sessions_pb2_grpc.SessionsServiceServicer):
    """Answers the calls of SessionsService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database
        self._factors = SecondFactor(equipment)
        self._notices = Notices(equipment)
        self._passkeys = PasskeyProof(equipment)
        self._sign_in = SignIn(equipment)
        self._step_ups = StepUps(equipment)

    @allow(ANYONE)
    async def SignIn(self, request: pb.SignInRequest, context: Any) -> pb.SignInResponse:
        account = await self._sign_in.account(request.email, request.password)
        await self._sign_in.rehash(account, request.password)
        device = await self._sign_in.device(request.user_agent)
        await self._with.issuer.ready()
        async with self._database.transaction() as tx:
            current = await accounts.get_for_change(tx, account.id)
            if current is None or current.password_changed_at != account.password_changed_at:
                raise InvalidCredentials  # it was changed while this one was checked
            methods = await self._factors.methods(tx, current.id)
            if methods:
                return pb.SignInResponse(pending=await self._sign_in.ask(tx, current, methods))
            session = await self._sign_in.begin(tx, current, request.user_agent, device)
        return pb.SignInResponse(tokens=self._tokens(session, current.grant))

    @allow(ANYONE)
    async def CompleteSignIn(self, request: pb.CompleteSignInRequest, context: Any) -> pb.CompleteSignInResponse:
        asked, offered = await self._sign_in.asked(request.pending), None
        device = await self._sign_in.device(request.user_agent)
        await self._with.issuer.ready()
        try:
            offered = await self._factors.offered(request.factor, asked.account_id, Purpose.SECOND_FACTOR)
            async with self._database.transaction() as tx:
                account = await accounts.get_for_change(tx, asked.account_id)
                if account is None or account.password_changed_at != asked.password_changed_at:
                    raise InvalidPendingSignIn
                if not await pending.remove(tx, asked):
                    raise InvalidPendingSignIn  # it was completed, or given up, meanwhile
                await self._factors.use(tx, account, offered)
                session = await self._sign_in.begin(tx, account, request.user_agent, device, factor=offered.method)
        except WrongSecondFactor as fault:
            method = method_of(request.factor)
            await self._factors.refused(asked.account_id, method, fault, tries=str(asked.attempts))
            await self._sign_in.refuse(asked, offered.tried if offered else None)
            raise (InvalidPasskey if method == PASSKEY else InvalidCode) from None
        return pb.CompleteSignInResponse(tokens=self._tokens(session, account.grant))

    @allow(ANYONE)
    async def SignInWithPasskey(
        self, request: pb.SignInWithPasskeyRequest, context: Any
    ) -> pb.SignInWithPasskeyResponse:
        device = await self._sign_in.device(request.user_agent)
        await self._with.issuer.ready()
        found = await self._passkeys.signed(request.passkey, Purpose.SIGN_IN, None)
        if found is None:
            await self._sign_in.refuse_passkey(None)
            raise InvalidPasskey
        passkey, signed = found
        try:
            async with self._database.transaction() as tx:
                account = await accounts.get_for_change(tx, passkey.account_id)
                if account is None:
                    raise InvalidPasskey
                await self._passkeys.use(tx, passkey, signed)
                session = await self._sign_in.begin(tx, account, request.user_agent, device, factor=PASSKEY)
        except WrongSecondFactor as fault:
            if isinstance(fault, CopiedPasskey):
                await self._passkeys.tell_of_copy(passkey.account_id)
            await self._sign_in.refuse_passkey(passkey.account_id)
            raise InvalidPasskey from None
        return pb.SignInWithPasskeyResponse(tokens=self._tokens(session, account.grant))

    @allow(SIGNED_IN)
    async def StepUp(self, request: pb.StepUpRequest, context: Any) -> pb.StepUpResponse:
        expires_at = await self._step_ups.step_up(request)
        return pb.StepUpResponse(expires_at=timestamp(expires_at))

    @allow(ANYONE)
    async def Refresh(self, request: pb.RefreshRequest, context: Any) -> pb.RefreshResponse:
        presented = tokens.read(request.refresh_token)
        if presented is None:
            refreshes.labels("refused").inc()
            raise InvalidRefreshToken
        await self._with.issuer.ready()
        now = self._with.now()
        async with self._database.transaction() as tx:
            found = await store.get_for_change(tx, presented.session_id)
            if found is None or not self._with.refresh_tokens.genuine(presented, found[0]):
                refreshes.labels("refused").inc()
                raise InvalidRefreshToken
            session, grant = found
            verdict = session.judge(presented.generation, now, self._with.lifetimes)
            if verdict is Verdict.ROTATE:
                session = session.rotated(calls.current().caller.address, now, self._with.lifetimes)
                await store.rotate(tx, session, self._with.refresh_tokens.hashed(session))
            elif verdict is Verdict.THEFT:
                await self._end_stolen(tx, session, presented.generation)
        if verdict in {Verdict.ROTATE, Verdict.REPEAT}:
            refreshes.labels("rotated" if verdict is Verdict.ROTATE else "repeated").inc()
            return pb.RefreshResponse(tokens=self._tokens(session, grant))
        if verdict is Verdict.THEFT:
            threats.labels("token_reuse").inc()
        refreshes.labels("reused" if verdict is Verdict.THEFT else "refused").inc()
        raise InvalidRefreshToken

    @allow(SIGNED_IN)
    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        call = calls.current()
        scope = f"sessions {call.person}"
        asked = self._with.cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await store.page(connection, call.person, self._with.now(), asked, self._with.cursors, scope)
        current = session_of(call)
        return pb.ListSessionsResponse(
            sessions=[session_proto(session, current) for session in page.rows], page=page_proto(page)
        )

    @allow(SIGNED_IN)
    async def LabelSession(self, request: pb.LabelSessionRequest, context: Any) -> pb.LabelSessionResponse:
        id_, call = parse_uuid(request.id, "id"), calls.current()
        violations = check_text("label", request.label, MAX_LABEL, least=1)
        if violations:
            raise InvalidFields.of(violations)
        async with self._database.transaction() as tx:
            session = await store.label(tx, id_, call.person, request.label, self._with.now())
        if session is None:
            raise SessionNotFound
        return pb.LabelSessionResponse(session=session_proto(session, session_of(call)))

    @allow(SIGNED_IN)
    async def RevokeSession(self, request: pb.RevokeSessionRequest, context: Any) -> pb.RevokeSessionResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.transaction() as tx:
            if not await store.revoke_own(tx, id_, person, "revoked", self._with.now()):
                raise SessionNotFound
            await self._with.trail.write(tx, "session.revoked", account_id=person, session_id=id_)
        return pb.RevokeSessionResponse()

    @allow(SIGNED_IN)
    async def RevokeOtherSessions(
        self, request: pb.RevokeOtherSessionsRequest, context: Any
    ) -> pb.RevokeOtherSessionsResponse:
        call = calls.current()
        kept = session_of(call) or _NO_SESSION
        async with self._database.transaction() as tx:
            ended = await store.revoke_others(tx, call.person, kept, "revoked", self._with.now())
            if ended:
                details = {"ended_sessions": str(len(ended))}
                await self._with.trail.write(tx, "session.others_revoked", account_id=call.person, details=details)
        return pb.RevokeOtherSessionsResponse(revoked_sessions=len(ended))

    @allow(ANYONE)
    async def SignOut(self, request: pb.SignOutRequest, context: Any) -> pb.SignOutResponse:
        presented, call = tokens.read(request.refresh_token), calls.current()
        id_ = presented.session_id if presented else session_of(call)
        if id_ is None:
            return pb.SignOutResponse()
        async with self._database.transaction() as tx:
            found = await store.get_for_change(tx, id_)
            if found is None:
                return pb.SignOutResponse()
            session, _ = found
            if presented:
                own = self._with.refresh_tokens.genuine(presented, session)
            else:
                own = session.user_id == call.caller.subject
            if own and await store.revoke(tx, id_, "signed out", self._with.now()):
                await self._with.trail.write(tx, "session.signed_out", account_id=session.user_id, session_id=id_)
        return pb.SignOutResponse()

    async def _end_stolen(self, tx: Connection, session: Session, generation: int) -> None:
        """End the whole family: nobody can tell which of both holders is the owner."""
        now = self._with.now()
        await store.revoke(tx, session.id, "token reused", now)
        account = await accounts.get(tx, session.user_id)
        if account is not None:
            await self._notices.tell(tx, account, "session_stolen", device=session.label)
        details = {"generation": str(generation), "current": str(session.generation)}
        await self._with.trail.write(
            tx, "session.token_reused", account_id=session.user_id, session_id=session.id, details=details
        )

    def _tokens(self, session: Session, grant: Grant) -> pb.Tokens:
        return pb.Tokens(
            access_token=self._with.issuer.token(session.user_id, session.id, grant, self._with.now()),
            expires_in=self._with.issuer.lifetime_s,
            refresh_token=self._with.refresh_tokens.of(session),
            refresh_expires_at=timestamp(session.expires_at),
            session_id=str(session.id),
        )
