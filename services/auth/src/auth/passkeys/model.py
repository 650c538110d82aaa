"""Passkeys and their challenges as frozen values, and their rules; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields
from chassis.text import check_text

MAX_PASSKEYS: Final = 20
MAX_NAME: Final = 100
MAX_ANSWER: Final = 20_000
"""Characters of an authenticator's answer that are looked at; ordinary ones have about a thousand."""
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)


class Purpose(StrEnum):
    """What a challenge is for; its answer is good for nothing else."""

    REGISTER = "register"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


@dataclass(frozen=True)
class RelyingParty:
    """The product as authenticators know it (WebAuthn, section 4): its name, its domain, its pages' origins."""

    name: str
    domain: str
    origins: tuple[str, ...]


@dataclass(frozen=True)
class Challenge:
    """A challenge that waits for its answer; `account_id` is whose passkey must give it, None for whoever signs in."""

    id: UUID
    purpose: Purpose
    account_id: UUID | None
    expires_at: datetime


@dataclass(frozen=True)
class Passkey:
    """A passkey of an account.

    `sign_count` is the authenticator's own count of its signatures; many keep none and always say 0.
    """

    id: UUID
    account_id: UUID
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]
    synced: bool
    name: str
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None
    version: int

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the passkey with new values, itself where they are the old ones.

        Raises:
            InvalidFields: a value breaks its rule.
        """
        made = replace(self, **changes)
        check_name("passkey.name", made.name)
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)


def check_name(field: str, name: str) -> None:
    """Let a name pass.

    Raises:
        InvalidFields: it is too long, blank, or holds control characters.
    """
    violations = check_text(field, name, MAX_NAME, least=1)
    if violations:
        raise InvalidFields.of(violations)
