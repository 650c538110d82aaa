"""neoforge.auth.v1.VerificationService: each RPC parses, decides and replies."""

import hmac
from datetime import UTC, timedelta
from typing import Any, Final

from auth import revocations
from auth.access_tokens import secret
from auth.access_tokens import store as access_tokens
from auth.access_tokens.model import Scope
from auth.equipment import Equipment
from chassis.access import ANYONE, allow
from chassis.convert import timestamp
from chassis.errors import Unauthenticated
from neoforge.auth.v1 import verification_pb2 as pb
from neoforge.auth.v1 import verification_pb2_grpc

REMEMBERED: Final = timedelta(minutes=20)
"""How long a revocation is told: longer than any access token lives (15 minutes at most)."""
_OVERLAP: Final = timedelta(seconds=70)
"""How far behind the last answer the next one begins: what was written then may be committed only now, and no call
takes longer than a minute."""
_USED_EVERY: Final = timedelta(minutes=1)


class VerificationServicer(verification_pb2_grpc.VerificationServiceServicer):
    """Answers the calls of VerificationService from PostgreSQL."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._database = equipment.database

    @allow(ANYONE)
    async def GetKeySet(self, request: pb.GetKeySetRequest, context: Any) -> pb.GetKeySetResponse:
        return pb.GetKeySetResponse(jwks=await self._with.issuer.key_set())

    @allow(ANYONE)
    async def ListRevocations(self, request: pb.ListRevocationsRequest, context: Any) -> pb.ListRevocationsResponse:
        async with self._database.connection() as connection:
            now = await revocations.database_now(connection)
            since = now - REMEMBERED
            if request.HasField("since"):
                since = max(since, request.since.ToDatetime(UTC) - _OVERLAP)
            ids = await revocations.told_since(connection, since)
        return pb.ListRevocationsResponse(
            ids=[id_.bytes for id_ in ids],
            as_of=timestamp(now),
            remember_seconds=int(REMEMBERED.total_seconds()),
        )

    @allow(ANYONE)
    async def ResolveAccessToken(
        self, request: pb.ResolveAccessTokenRequest, context: Any
    ) -> pb.ResolveAccessTokenResponse:
        id_, now = secret.id_in(request.token), self._with.now()
        if id_ is None:
            raise Unauthenticated("this is no personal access token")
        async with self._database.connection() as connection:
            found = await access_tokens.resolve(connection, id_, now)
            if found is None or not hmac.compare_digest(found[1], secret.hashed(request.token, self._with.secrets)):
                raise Unauthenticated("the personal access token is good no more")
            token, _, grant = found
            if token.last_used_at is None or now - token.last_used_at >= _USED_EVERY:
                await access_tokens.used(connection, id_, now)
        return pb.ResolveAccessTokenResponse(
            id=str(token.id),
            subject=str(token.owner_id),
            roles=sorted(grant.roles),
            roles_id=str(grant.id),
            may_write=token.scope is Scope.WRITE,
            expires_at=timestamp(token.expires_at),
        )
