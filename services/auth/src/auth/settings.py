"""The auth service's own knobs."""

from typing import Annotated

from pydantic import Field

from chassis.mail.settings import MailSettings
from chassis.settings import Positive, Secret


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
    signing_key_days: Positive = 30
    """How often a new signing key is made."""

    argon2_memory_kib: Annotated[int, Field(ge=19_456, le=1_048_576)] = 19_456
    """Memory of one password hash; with the passes, not below OWASP's figures. Rising it rehashes at each sign-in."""
    argon2_passes: Annotated[int, Field(ge=2, le=20)] = 2
    argon2_lanes: Annotated[int, Field(ge=1, le=8)] = 1
    password_workers: Annotated[int, Field(ge=1, le=64)] = 2
    """How many passwords are hashed at once; each takes one CPU and the memory above."""
