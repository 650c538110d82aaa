"""neoforge.auth.v1.AccessTokensService: each RPC parses, decides, stores and replies."""

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.access_tokens import convert, store
from auth.access_tokens.model import MAX_TOKENS, AccessToken, Scope
from auth.access_tokens.secret import hashed, secret_of
from auth.accounts import store as accounts
from auth.equipment import Equipment
from auth.errors import AccessTokenNotFound
from auth.sessions.stepup import StepUps
from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import from_enum, page_proto, parse_uuid
from chassis.database import Connection
from chassis.errors import LimitReached, VersionMismatch
from neoforge.auth.v1 import access_tokens_pb2 as pb
from neoforge.auth.v1 import access_tokens_pb2_grpc


class AccessTokensServicer(access_tokens_pb2_grpc.AccessTokensServiceServicer):
    """Answers the calls of AccessTokensService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database
        self._idempotency = equipment.idempotency
        self._step_ups = StepUps(equipment)

    @allow(SIGNED_IN)
    async def CreateAccessToken(
        self, request: pb.CreateAccessTokenRequest, context: Any
    ) -> pb.CreateAccessTokenResponse:
        token = AccessToken.new(
            id=uuid7(),
            owner_id=calls.current().person,
            name=request.name,
            scope=from_enum(pb.Scope, Scope, request.scope, "scope") or Scope.READ,
            days=request.days,
            now=self._with.now(),
        )
        async with self._database.transaction() as tx:
            reply = await self._idempotency.replay(tx, pb.CreateAccessTokenResponse)
            if reply is None:
                # One after another, so that together they don't pass the limit, and none outlives a reset of the
                # password, which ends the step-up.
                await accounts.get_for_change(tx, token.owner_id)
            await self._step_ups.require(tx)  # of a repetition too: its answer shows the token again
            if reply is None:
                if await store.count(tx, token.owner_id) >= MAX_TOKENS:
                    raise LimitReached(f"a person has at most {MAX_TOKENS} access tokens")
                await store.insert(tx, token, hashed(secret_of(token.id, self._with.secrets), self._with.secrets))
                reply = pb.CreateAccessTokenResponse(access_token=convert.token_proto(token))
                await self._idempotency.record(tx, reply)  # without the secret, which is made anew for a repetition
                await self._write(tx, "access_token.created", token.id)
        reply.secret = secret_of(UUID(reply.access_token.id), self._with.secrets)
        return reply

    @allow(SIGNED_IN)
    async def GetAccessToken(self, request: pb.GetAccessTokenRequest, context: Any) -> pb.GetAccessTokenResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.connection() as connection:
            token = await store.get(connection, id_, person)
        if token is None:
            raise AccessTokenNotFound
        if request.unless_version == token.version:
            return pb.GetAccessTokenResponse(unchanged_version=token.version)
        return pb.GetAccessTokenResponse(access_token=convert.token_proto(token))

    @allow(SIGNED_IN)
    async def ListAccessTokens(self, request: pb.ListAccessTokensRequest, context: Any) -> pb.ListAccessTokensResponse:
        person = calls.current().person
        wanted = from_enum(pb.Scope, Scope, request.scope, "scope")
        scope = f"access tokens {person} {wanted}"
        asked = self._with.cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await store.page(connection, person, wanted, asked, self._with.cursors, scope)
        return pb.ListAccessTokensResponse(access_tokens=map(convert.token_proto, page.rows), page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdateAccessToken(
        self, request: pb.UpdateAccessTokenRequest, context: Any
    ) -> pb.UpdateAccessTokenResponse:
        id_, person = parse_uuid(request.access_token.id, "access_token.id"), calls.current().person
        changes = convert.changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateAccessTokenResponse)
            if earlier:
                return earlier
            token = await store.get_for_change(tx, id_, person)
            if token is None:
                raise AccessTokenNotFound
            if request.expected_version and request.expected_version != token.version:
                raise VersionMismatch.of("access token", request.expected_version, token.version)
            changed = token.changed(changes, self._with.now())
            if changed is not token:
                await store.update(tx, changed)
            reply = pb.UpdateAccessTokenResponse(access_token=convert.token_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def RevokeAccessToken(
        self, request: pb.RevokeAccessTokenRequest, context: Any
    ) -> pb.RevokeAccessTokenResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.RevokeAccessTokenResponse)
            if earlier:
                return earlier
            if not await store.revoke(tx, id_, person):
                raise AccessTokenNotFound
            reply = await self._idempotency.record(tx, pb.RevokeAccessTokenResponse())
            await self._write(tx, "access_token.revoked", id_)
        return reply

    async def _write(self, tx: Connection, kind: str, id_: UUID) -> None:
        details = {"access_token_id": str(id_)}
        await self._with.trail.write(tx, kind, account_id=calls.current().person, details=details)
