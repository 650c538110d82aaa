"""Accounts, sessions and tokens as clients see them; the auth service checks everything again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.paging import PageQuery
from gateway.text import LINE, LINE_OR_NOTHING

Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=LINE),
    Field(examples=["ines@example.com"], json_schema_extra={"format": "idn-email"}),
]
Password = Annotated[str, StringConstraints(max_length=1_000), Field(examples=["correct horse battery staple"])]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=10, max_length=128),
    Field(description="None of the well known ones.", examples=["correct horse battery staple"]),
]
Code = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40),
    Field(description="As the mail shows it.", examples=["1234 5678"]),
]
Token = Annotated[str, StringConstraints(max_length=500), Field(description="Opaque.")]
Label = Annotated[
    str, StringConstraints(min_length=1, max_length=100, pattern=LINE), Field(examples=["The old laptop"])
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Registration(_Model):
    """Who wants an account."""

    email: Email
    password: NewPassword
    name: Annotated[str, StringConstraints(max_length=200, pattern=LINE_OR_NOTHING)] = ""
    language: Annotated[str, StringConstraints(max_length=35)] = "en"


class RegistrationBegun(BaseModel):
    """What is answered whether or not the address has an account already; a mail says the rest."""

    registration_id: UUID
    expires_at: Annotated[datetime, Field(description="Until when the mailed code is good.")]


class RegistrationCode(_Model):
    """A registration and the code that was mailed for it."""

    registration_id: Annotated[str, StringConstraints(max_length=36)]
    code: Code


class Account(BaseModel):
    """An account whose address is verified."""

    id: UUID
    email: str
    name: str
    roles: list[Literal["user", "agent", "admin"]]
    language: str
    created_at: datetime


class PasswordChange(_Model):
    """The passwords before and after."""

    current_password: Password
    new_password: NewPassword
    revoke_access_tokens: Annotated[bool, Field(description="Whether your personal access tokens end as well.")] = False


class EndedSessions(BaseModel):
    """How many sessions ended."""

    revoked_sessions: Annotated[int, Field(ge=0)]


class PasswordChanged(EndedSessions):
    """How many other sessions and personal access tokens ended."""

    revoked_access_tokens: Annotated[int, Field(ge=0)]


class ResetWish(_Model):
    """Whose password was forgotten."""

    email: Email


class ResetBegun(BaseModel):
    """What is answered whether or not the address has an account; only then a code is mailed."""

    reset_id: UUID
    expires_at: Annotated[datetime, Field(description="Until when the mailed code is good.")]


class NewPasswordByCode(_Model):
    """A reset, the code that was mailed for it, and the new password."""

    reset_id: Annotated[str, StringConstraints(max_length=36)]
    code: Code
    new_password: NewPassword


class TokenRequest(BaseModel):
    """A token request of OAuth 2.0 (RFC 6749, sections 4.3 and 6), as JSON or as a form."""

    model_config = ConfigDict(
        strict=True, extra="ignore"
    )  # "unrecognized request parameters" are ignored (section 3.2)

    grant_type: Literal["password", "refresh_token"] = "password"
    username: Annotated[Email | None, Field(description="The address.")] = None
    password: Password | None = None
    refresh_token: Token | None = None
    transport: Annotated[
        Literal["body", "cookie"],
        Field(description="Where the refresh token goes: browsers have it in a cookie that no script reads."),
    ] = "body"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.grant_type == "password" and (self.username is None or self.password is None):
            raise ValueError("needs username and password")
        if self.grant_type == "refresh_token" and self.refresh_token is None:
            raise ValueError("needs refresh_token")
        return self


class SignOutRequest(_Model):
    """The refresh token, for clients that keep it themselves; others send nothing, or `{}`."""

    refresh_token: Token | None = None


class RefreshRequest(SignOutRequest):
    """The refresh token, for clients that keep it themselves; a browser sends nothing, or `{}`, and its cookie."""

    model_config = ConfigDict(strict=True, extra="ignore")  # as of TokenRequest

    grant_type: Literal["refresh_token"] = "refresh_token"


class Tokens(BaseModel):
    """The tokens of a session."""

    access_token: Annotated[str, Field(description="A JWT signed with EdDSA, good for a few minutes.")]
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(description="Seconds.")]
    refresh_token: Annotated[str | None, Field(description="null where it is in the cookie.")]
    refresh_expires_at: Annotated[datetime, Field(description="When the session ends unless it is refreshed.")]
    session_id: UUID


class Session(BaseModel):
    """A session on some device; never a token."""

    id: UUID
    label: Label
    user_agent: str
    address: Annotated[str, Field(description="The network it was last used from, /24 or /48.")]
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


class SessionLabel(_Model):
    """What to call a session."""

    label: Label


class AuditQuery(PageQuery):
    """Which entries."""

    everybody: Annotated[
        Literal["true", "false"], Field(description="Everybody's, not only one's own: for administrators.")
    ] = "false"


class AuditEntry(BaseModel):
    """Something that happened to an account or a session."""

    id: UUID
    created_at: datetime
    kind: Annotated[str, Field(examples=["session.signed_in"])]
    account_id: UUID | None
    actor_id: UUID | None
    session_id: UUID | None
    address: str
    request_id: str
    trace_id: str
    details: dict[str, str]


class NewAccessToken(_Model):
    """The personal access token to be made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Deploys", "scope": "write", "days": 90}]})

    name: Label
    scope: Annotated[Literal["read", "write"], Field(description="Reading alone, or reading and writing.")] = "read"
    days: Annotated[int, Field(ge=1, le=366, description="Until it expires.")] = 30


class AccessToken(BaseModel):
    """A personal access token, without its secret."""

    id: UUID
    name: Label
    scope: Literal["read", "write"]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="Within a minute or so; null before its first use.")]
    version: int


class CreatedAccessToken(AccessToken):
    """A new personal access token, with its secret."""

    token: Annotated[str, Field(description="Shown once: keep it. Sent as `Authorization: Bearer ...`.")]


class AccessTokenChanges(_Model):
    """A JSON merge patch (RFC 7396) of a personal access token."""

    name: Label


class RoleChange(_Model):
    """All roles that an account has from now on."""

    roles: Annotated[
        list[Literal["user", "agent", "admin"]],
        Field(min_length=1, max_length=3, description="Everybody is a user, named or not."),
    ]


class KeySet(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, Any]]
