"""The second factor: an authenticator app and recovery codes."""

from typing import Final

from pydantic_core import to_json

from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.representation import Answer, tag_of
from gateway.routes.auth_factor_models import RecoveryCodes, SecondFactor, TotpBegun, TotpConfirmation
from gateway.routes.auth_stubs import stubs
from neoforge.auth.v1 import second_factor_pb2 as pb

second_factor: Final = Operations("second factor")

_PATH: Final = "/api/v1/auth/second-factor"
_TOTP: Final = _PATH + "/totp"


@second_factor.serve(_PATH, Declaration(Kind.READ, "GET", SecondFactor, tagged=Tagged.CONTENT, about_account=True))
async def get_second_factor(call: Call) -> Answer:
    """Read whether the caller's second factor is on, and what belongs to it."""
    found = (await call.ask(stubs(call).second_factor.GetSecondFactor, pb.GetSecondFactorRequest())).message
    body = to_json(
        {
            "enabled_at": rfc3339(found.enabled_at) if found.HasField("enabled_at") else None,
            "recovery_codes_left": found.recovery_codes_left,
            "passkeys": found.passkeys,
        }
    )
    return Answer(body, tag=tag_of(body))


@second_factor.serve(
    _TOTP,
    Declaration(
        Kind.CHANGE,
        "POST",
        TotpBegun,
        tagged=Tagged.CONTENT,
        conflicts=("STEP_UP_REQUIRED", "SECOND_FACTOR_ON"),
        about_account=True,
    ),
)
async def begin_totp(call: Call) -> Answer:
    """Get the secret of an authenticator app, as text and as QR code; takes a step-up."""
    begun = (await call.ask(stubs(call).second_factor.BeginTotp, pb.BeginTotpRequest())).message
    shown = {
        "secret": begun.secret,
        "uri": begun.uri,
        "qr_svg": begun.qr_svg,
        "expires_at": rfc3339(begun.expires_at),
    }
    return Answer(to_json(shown))


@second_factor.serve(
    _TOTP + "/confirm",
    Declaration(
        Kind.CHANGE,
        "POST",
        RecoveryCodes,
        tagged=Tagged.CONTENT,
        conflicts=("WRONG_SECOND_FACTOR", "SECOND_FACTOR_ON", "NOT_FOUND"),
        about_account=True,
    ),
)
async def confirm_totp(call: Call, body: TotpConfirmation) -> Answer:
    """Turn the second factor on by a code of the app, and get the recovery codes."""
    reply = await call.ask(stubs(call).second_factor.ConfirmTotp, pb.ConfirmTotpRequest(code=body.code))
    return Answer(to_json({"recovery_codes": list(reply.message.recovery_codes)}))


@second_factor.serve(
    _TOTP,
    Declaration(
        Kind.REMOVE,
        "DELETE",
        None,
        success=NO_CONTENT,
        tagged=Tagged.CONTENT,
        conflicts=("STEP_UP_REQUIRED", "NOT_FOUND"),
        about_account=True,
    ),
)
async def disable_totp(call: Call) -> Answer:
    """Turn the second factor off; takes a step-up by it."""
    await call.ask(stubs(call).second_factor.DisableTotp, pb.DisableTotpRequest())
    return Answer(status=NO_CONTENT)


@second_factor.serve(
    _PATH + "/recovery-codes",
    Declaration(
        Kind.CHANGE,
        "POST",
        RecoveryCodes,
        tagged=Tagged.CONTENT,
        conflicts=("STEP_UP_REQUIRED", "NOT_FOUND"),
        about_account=True,
    ),
)
async def renew_recovery_codes(call: Call) -> Answer:
    """Replace all recovery codes; takes a step-up by the second factor."""
    reply = await call.ask(stubs(call).second_factor.RenewRecoveryCodes, pb.RenewRecoveryCodesRequest())
    return Answer(to_json({"recovery_codes": list(reply.message.recovery_codes)}))
