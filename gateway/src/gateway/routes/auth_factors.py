"""What the routes of sign-in, second factor and passkeys have between clients and the auth service."""

from http import HTTPStatus
from typing import Any, Final

from pydantic_core import from_json, to_json

from gateway.call import Call
from gateway.declaration import Declaration, Kind, Tagged
from gateway.moments import rfc3339
from gateway.representation import Answer
from gateway.routes.auth_factor_models import FactorProof, PasskeyAnswer
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import passkeys_pb2
from neoforge.auth.v1 import sessions_pb2 as pb

CREDENTIALS: Final = "credentials"
MAILS: Final = "mails"


def proving(
    answers: Any,
    success: HTTPStatus = HTTPStatus.OK,
    conflicts: tuple[str, ...] = (),
    tier: str = CREDENTIALS,
) -> Declaration:
    """Declare a request that proves by its body who sends it, or asks for a mail by which to do so."""
    return Declaration(
        Kind.CHANGE,
        "POST",
        answers,
        success=success,
        tagged=Tagged.CONTENT,
        conflicts=conflicts,
        credentials=tier,
    )


def factor_proof(body: FactorProof) -> pb.FactorProof:
    """Give a second factor as its message."""
    if body.passkey is not None:
        return pb.FactorProof(passkey=passkey_answer(body.passkey))
    if body.code is not None:
        return pb.FactorProof(totp_code=body.code)
    return pb.FactorProof(recovery_code=body.recovery_code or "")


def passkey_answer(body: PasskeyAnswer) -> pb.PasskeyAnswer:
    """Give a passkey's answer as its message."""
    return pb.PasskeyAnswer(challenge_id=body.challenge_id, credential=to_json(body.credential).decode())


async def passkey_options(call: Call, purpose: "passkeys_pb2.PasskeyPurpose.ValueType", pending: str = "") -> Answer:
    """Ask for the options to prove something by a passkey."""
    request = passkeys_pb2.BeginPasskeyProofRequest(purpose=purpose, pending=pending)
    reply = await call.ask(stubs(call).passkeys.BeginPasskeyProof, request)
    return options_answer(reply.message)


def options_answer(
    message: passkeys_pb2.BeginPasskeyProofResponse | passkeys_pb2.BeginPasskeyRegistrationResponse,
) -> Answer:
    """Show options as they came from the service."""
    shown = {
        "challenge_id": message.challenge_id,
        "options": from_json(message.options),
        "expires_at": rfc3339(message.expires_at),
    }
    return Answer(to_json(shown))
