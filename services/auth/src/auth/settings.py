"""The auth service's own knobs."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from chassis.mail.settings import MailSettings
from chassis.settings import Names, Positive, Secret, in_production, split


def _relying_party(token_issuer: str, domain: str, origins: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    issuer = urlsplit(token_issuer)
    own = (f"{issuer.scheme}://{issuer.netloc}",) if issuer.scheme and issuer.hostname else ()
    return domain or issuer.hostname or "", origins or own


class Settings(MailSettings):
    """What the auth service is told: what every service is, how mail is sent, and of tokens, sessions and passwords.

    `auth_secret` is what refresh tokens, codes and personal access tokens are made of and what signing keys and second
    factors are sealed with; a new one ends all of them. `token_issuer` and `token_audience` stand in access tokens and
    are what gateways expect there.
    """

    auth_secret: Secret
    token_issuer: Annotated[str, Field(min_length=1)]
    token_audience: Annotated[str, Field(min_length=1)]

    access_token_seconds: Annotated[int, Field(ge=30, le=900)] = 300
    """How long an access token is good."""
    session_idle_hours: Positive = 14 * 24
    """When a session that is not refreshed ends."""
    session_absolute_hours: Positive = 90 * 24
    """When a session ends however often it is refreshed."""
    refresh_grace_seconds: Annotated[int, Field(ge=1, le=60)] = 10
    """How long the refresh token before the current one stays good: tabs ask at once, and answers get lost."""
    signing_key_days: Positive = 30
    """How often a new signing key is made."""

    argon2_memory_kib: Annotated[int, Field(ge=19_456, le=1_048_576)] = 19_456
    """Memory of one password hash; with the passes, not below OWASP's figures. Rising it rehashes at each sign-in."""
    argon2_passes: Annotated[int, Field(ge=2, le=20)] = 2
    argon2_lanes: Annotated[int, Field(ge=1, le=8)] = 1
    password_workers: Annotated[int, Field(ge=1, le=64)] = 2
    """How many passwords are hashed at once; each takes one CPU and the memory above."""

    product_name: Annotated[str, Field(min_length=1, max_length=60)] = "NeoForge"
    """What authenticator apps and passkeys call the product."""
    passkey_domain: str = ""
    """The domain that passkeys belong to (WebAuthn's RP ID), that of `token_issuer` when empty: it can never change
    without losing them."""
    passkey_origins: Names = ()
    """The origins whose pages use passkeys, within that domain; that of `token_issuer` when empty."""

    @field_validator("token_issuer")
    @classmethod
    def _no_broken_url(cls, value: str) -> str:
        urlsplit(value)  # raises ValueError itself; what is no URL at all is a name that an issuer may have
        return value

    @field_validator("passkey_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return split(value)

    @field_validator("passkey_origins")
    @classmethod
    def _secure_origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if parts.scheme not in {"http", "https"} or origin != f"{parts.scheme}://{parts.netloc}":
                raise ValueError("must be origins, such as https://forge.example.com")
            if parts.scheme == "http" and in_production(info):
                raise ValueError("must be https in production")
        return value

    @field_validator("passkey_origins")
    @classmethod
    def _one_domain(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if {"token_issuer", "passkey_domain"} <= info.data.keys():
            domain, origins = _relying_party(info.data["token_issuer"], info.data["passkey_domain"], value)
            hosts = [urlsplit(origin).hostname or "" for origin in origins]
            if not domain or not all(host == domain or host.endswith(f".{domain}") for host in hosts):
                raise ValueError("must lie within PASSKEY_DOMAIN; without them TOKEN_ISSUER must be a URL")
        return value

    @property
    def relying_party(self) -> tuple[str, tuple[str, ...]]:
        """The domain that passkeys belong to, and the origins whose pages use them (WebAuthn, section 13.4.9)."""
        return _relying_party(self.token_issuer, self.passkey_domain, self.passkey_origins)
