"""Second factors and passkeys as clients see them; the auth service checks everything again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.routes.auth_models import Label, Password, Token

TotpCode = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20),
    Field(description="As the authenticator app shows it; good once.", examples=["123 456"]),
]
RecoveryCode = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(description="Good once.", examples=["7K3M-9QXB-P2TZ"]),
]
ChallengeId = Annotated[str, StringConstraints(max_length=36), Field(description="That came with the options.")]
Credential = Annotated[
    dict[str, Any],
    Field(
        description="What the browser's PublicKeyCredential gives as JSON (WebAuthn level 3, section 5.1).",
        examples=[{"id": "AAECAwQ", "rawId": "AAECAwQ", "type": "public-key", "response": {}}],
    ),
]
Transport = Annotated[
    Literal["body", "cookie"],
    Field(description="Where the refresh token goes: browsers have it in a cookie that no script reads."),
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PasskeyAnswer(_Model):
    """What a passkey signed in answer to a challenge."""

    challenge_id: ChallengeId
    credential: Credential


class FactorProof(_Model):
    """A second factor: one of these."""

    code: TotpCode | None = None
    recovery_code: RecoveryCode | None = None
    passkey: PasskeyAnswer | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        ways = {"code", "recovery_code", "passkey", "password"}
        if sum(getattr(self, way, None) is not None for way in ways) != 1:
            raise ValueError("needs exactly one way to prove it")
        return self


class SecondStep(FactorProof):
    """The second step of a sign-in: the pending one, and a code, a recovery code or a passkey's answer."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"pending": "nfp_...", "code": "123 456"}]})

    pending: Token
    transport: Transport = "body"


class PendingStep(_Model):
    """A pending sign-in."""

    pending: Token


class PasskeySignIn(PasskeyAnswer):
    """A passkey's answer, in place of address and password."""

    transport: Transport = "body"


class StepUpProof(FactorProof):
    """What proves who is at the device: one of these, of which a problem's `methods` says which will do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": "123 456"}]})

    password: Password | None = None


class SteppedUp(BaseModel):
    """The session may do what is sensitive."""

    expires_at: Annotated[datetime, Field(description="Until when.")]


class SecondFactor(BaseModel):
    """Whether the second factor is on, and what belongs to it."""

    enabled_at: Annotated[datetime | None, Field(description="null while it is off.")]
    recovery_codes_left: int
    passkeys: Annotated[int, Field(description="They sign in with the second factor on or off.")]


class TotpBegun(BaseModel):
    """The secret of an authenticator app, shown this once."""

    secret: Annotated[str, Field(description="Base32 (RFC 4648), for typing.")]
    uri: Annotated[str, Field(description="The otpauth address that apps read.")]
    qr_svg: Annotated[str, Field(description="The address as a QR code: an SVG image.")]
    expires_at: Annotated[datetime, Field(description="Until when it can be confirmed.")]


class TotpConfirmation(_Model):
    """A code that proves the app."""

    code: TotpCode


class RecoveryCodes(BaseModel):
    """Recovery codes, shown this once."""

    recovery_codes: Annotated[list[str], Field(description="Ten, each good once: keep them in a safe place.")]


class PasskeyOptions(BaseModel):
    """What a browser makes a passkey by, or proves one by."""

    challenge_id: UUID
    options: Annotated[
        dict[str, Any],
        Field(description="For PublicKeyCredential.parseCreationOptionsFromJSON or parseRequestOptionsFromJSON."),
    ]
    expires_at: datetime


class NewPasskey(PasskeyAnswer):
    """The passkey that a browser made, and what to call it."""

    name: Label


class Passkey(BaseModel):
    """A passkey, without its key."""

    id: UUID
    name: Label
    synced: Annotated[bool, Field(description="Whether its provider keeps copies of it.")]
    created_at: datetime
    updated_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="null before its first use.")]
    version: int


class PasskeyChanges(_Model):
    """A JSON merge patch (RFC 7396) of a passkey."""

    name: Label
