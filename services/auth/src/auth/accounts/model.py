"""Accounts and requests for codes as frozen values, and their rules; pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Self
from uuid import UUID, uuid5

from chassis.errors import InvalidFields, Violation

CODE_LIFETIME: Final = timedelta(minutes=30)
MAX_CODE_ATTEMPTS: Final = 5
ROLES: Final = ("user", "agent", "admin")

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")


class Purpose(StrEnum):
    """What a mailed code is for."""

    REGISTER = "register"
    RESET = "reset"


@dataclass(frozen=True)
class Grant:
    """The roles that an account has since they last changed; `id` stands for them in tokens."""

    id: UUID
    roles: frozenset[str]

    @classmethod
    def of(cls, account_id: UUID, roles: Iterable[str], version: int) -> Self:
        """Give the grant of an account whose roles have changed so many times."""
        return cls(uuid5(account_id, f"roles {version}"), frozenset(roles))


@dataclass(frozen=True)
class Account:
    """An account whose address is verified; `email_key` is what addresses of the same mailbox have in common."""

    id: UUID
    email: str
    email_key: str
    name: str
    language: str
    password_hash: str
    roles: frozenset[str]
    created_at: datetime
    password_changed_at: datetime
    roles_version: int = 1

    @property
    def grant(self) -> Grant:
        """The roles, with what stands for them in tokens."""
        return Grant.of(self.id, self.roles, self.roles_version)


@dataclass(frozen=True)
class CodeRequest:
    """A request whose code was mailed.

    `account_id` is the account of its address, if there is one; a registration of an address that has one leads to
    nothing, as does a reset for an address that has none.
    """

    id: UUID
    purpose: Purpose
    account_id: UUID | None
    email: str
    email_key: str
    name: str
    language: str
    password_hash: str | None
    attempts: int
    created_at: datetime
    expires_at: datetime

    def good(self, now: datetime) -> bool:
        """Whether its code is worth anything at a try that `attempts` counts already."""
        leads_somewhere = (self.account_id is None) == (self.purpose is Purpose.REGISTER)
        return leads_somewhere and self.attempts <= MAX_CODE_ATTEMPTS and now < self.expires_at


def language_of(text: str) -> str:
    """Give a language tag (BCP 47), English when empty.

    Raises:
        InvalidFields: it is none.
    """
    if text and not _LANGUAGE.fullmatch(text):
        raise InvalidFields.of([Violation("language", "must be a language tag, such as de or en-GB")])
    return text or "en"


def roles_of(texts: Iterable[str]) -> frozenset[str]:
    """Give a set of roles; everybody is a user.

    Raises:
        InvalidFields: one of them is none.
    """
    texts = list(texts)
    wrong = [
        Violation(f"roles[{i}]", "must be one of " + ", ".join(ROLES)) for i, t in enumerate(texts) if t not in ROLES
    ]
    if wrong:
        raise InvalidFields.of(wrong)
    return frozenset({"user", *texts})
