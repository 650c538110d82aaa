"""Personal access tokens: asked about now and then, and gone by what is known where nobody answers."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import grpc
import pytest

from chassis.rpc.channel import Channel
from gateway.identity import Authenticator, KeySet
from gateway.problems import Problem
from gateway.proof import Proof
from neoforge.auth.v1 import verification_pb2 as pb
from neoforge.auth.v1 import verification_pb2_grpc

INES: Final = "018f0000-0000-7000-8000-000000000001"
TOKEN: Final = b"nft_of-ines"
SENT: Final = [(b"authorization", b"Bearer " + TOKEN)]


class StandInVerification(verification_pb2_grpc.VerificationServiceServicer):
    """One token, and perhaps a failure."""

    def __init__(self) -> None:
        self.asked = 0
        self.failure: grpc.StatusCode | None = None

    async def resolve(self, _: Any, context: Any) -> pb.ResolveAccessTokenResponse:
        self.asked += 1
        if self.failure is not None:
            await context.abort(self.failure, "not now")
        told = pb.ResolveAccessTokenResponse(id="one", subject=INES, roles=["user"], may_write=True)
        told.expires_at.FromDatetime(datetime.now(UTC) + timedelta(days=30))
        return told

    ResolveAccessToken = resolve


@pytest.fixture
def verification() -> StandInVerification:
    return StandInVerification()


@pytest.fixture
async def authenticator(verification: StandInVerification) -> AsyncIterator[Authenticator]:
    server = grpc.aio.server()
    verification_pb2_grpc.add_VerificationServiceServicer_to_server(verification, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    channel = Channel(f"127.0.0.1:{port}", None)
    yield Authenticator(KeySet([]), "issuer", "audience", verification_pb2_grpc.VerificationServiceStub(channel))
    await channel.close(None)
    await server.stop(None)


def later(authenticator: Authenticator, **changes: float) -> Proof:
    """Have its time to be asked about be over."""
    proved = authenticator._proved[TOKEN] = replace(authenticator._proved[TOKEN], **{"ask_at": 0.0, **changes})
    assert not authenticator.stands(proved)
    return proved


async def test_whose_a_token_is_is_asked_once_and_again_when_its_time_is_over(
    authenticator: Authenticator, verification: StandInVerification
) -> None:
    proved = await authenticator.proof(SENT)
    assert (proved.subject, proved.session, verification.asked) == (UUID(INES), "one", 1)
    assert await authenticator.proof(SENT) is proved
    later(authenticator)
    assert authenticator.stands(again := await authenticator.proof(SENT))
    assert (again.same(proved), verification.asked) == (True, 2)


@pytest.mark.parametrize("failure", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_while_the_auth_service_does_not_answer_a_token_that_was_good_stays_good(
    authenticator: Authenticator, verification: StandInVerification, failure: grpc.StatusCode
) -> None:
    proved = await authenticator.proof(SENT)
    later(authenticator)
    verification.failure = failure
    held = await authenticator.proof(SENT)
    assert authenticator.stands(held)
    assert held.same(proved)
    asked = verification.asked
    assert await authenticator.proof(SENT) is held
    assert verification.asked == asked, "it is asked again in a while"


async def test_it_stays_good_for_two_minutes_at_most(
    authenticator: Authenticator, verification: StandInVerification
) -> None:
    proved = await authenticator.proof(SENT)
    assert proved.expires < time.time() + 130
    later(authenticator, expires=0.0)
    verification.failure = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(Problem) as refused:
        await authenticator.proof(SENT)
    assert refused.value.type.status == 503


async def test_a_token_that_is_good_no_more_is_refused_when_it_is_asked_about_again(
    authenticator: Authenticator, verification: StandInVerification
) -> None:
    await authenticator.proof(SENT)
    later(authenticator)
    verification.failure = grpc.StatusCode.UNAUTHENTICATED
    for _ in range(2):
        with pytest.raises(Problem) as refused:
            await authenticator.proof(SENT)
        assert refused.value.type.status == 401
