"""What was revoked, kept in this process: refusing a revoked session costs a request no call to anywhere.

The auth service is asked four times a second for what was revoked lately, so that a revocation is known everywhere
within a second; the first answer holds all that may still matter, so a gateway that was restarted knows it too.
"""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final
from uuid import UUID

import grpc

from chassis import telemetry
from gateway.problems import Problem
from neoforge.auth.v1.verification_pb2 import ListRevocationsRequest

if TYPE_CHECKING:
    from neoforge.auth.v1.verification_pb2_grpc import VerificationServiceAsyncStub

log = logging.getLogger(__name__)

_INTERVAL_S: Final = 0.25
_TIMEOUT_S: Final = 2.0
_FRESH_S: Final = 3.0
"""Without an answer for so long, /ready says so."""
_SWEEP_S: Final = 20.0
"""What was told before is forgotten only now and then."""


class Revocations:
    """The ids of sessions, personal access tokens and roles that are refused, followed from the auth service.

    `patience_s` is how long requests are let through while the auth service does not answer, and so cannot tell what
    was revoked; afterwards they are refused (fail closed). Until the first answer all are.
    """

    def __init__(self, verification: "VerificationServiceAsyncStub", patience_s: float) -> None:
        self._verification = verification
        self._patience_s = patience_s
        self._until: dict[str, float] = {}
        self._asked = ListRevocationsRequest()
        self._answered_at = float("-inf")
        self._swept_at = 0.0

    @property
    def fresh(self) -> bool:
        """Whether the auth service has answered just now."""
        return time.monotonic() - self._answered_at <= _FRESH_S

    def refuses(self, id_: str) -> bool:
        """Whether this session or personal access token was revoked, or these roles are somebody's no more.

        Raises:
            Problem: UNAVAILABLE, when nobody could be asked for too long.
        """
        if time.monotonic() - self._answered_at > self._patience_s:
            raise Problem("UNAVAILABLE", "What was revoked is not known, so no token can be checked.")
        return id_ in self._until

    async def follow(self) -> None:
        """Keep asking, until cancelled."""
        while True:
            try:
                await self.look()
            except grpc.aio.AioRpcError as fault:
                if self.fresh:
                    log.warning("the auth service does not tell what was revoked: %s", fault.details())
            await asyncio.sleep(_INTERVAL_S)

    async def look(self) -> None:
        """Ask once.

        Raises:
            grpc.aio.AioRpcError: there was no answer.
        """
        asked_at = time.monotonic()
        answer = await self._verification.ListRevocations(
            self._asked, timeout=_TIMEOUT_S, metadata=(telemetry.untraced(),)
        )
        until = asked_at + answer.remember_seconds
        for raw in answer.ids:
            self._until.setdefault(str(UUID(bytes=raw)), until)
        self._asked = ListRevocationsRequest(since=answer.as_of)
        self._answered_at = asked_at
        if asked_at - self._swept_at > _SWEEP_S:
            self._swept_at = asked_at
            self._until = {id_: end for id_, end in self._until.items() if end > asked_at}
