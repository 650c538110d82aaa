"""Mail subscribers and what they must do to be told; pure."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.mail.addresses import Mailbox

CONFIRM_WITHIN: Final = timedelta(days=7)
ASK_AGAIN_AFTER: Final = timedelta(hours=1)
"""Until then a second sign-up sends no second mail: anyone can sign up any address."""

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True)
class Subscriber:
    """An address that is told of incidents once it has confirmed; `asked_at` is when it was last asked to."""

    id: UUID
    email: str
    email_key: str
    language: str
    created_at: datetime
    asked_at: datetime
    confirmed_at: datetime | None

    @classmethod
    def asked(cls, *, id: UUID, email: str, language: str, now: datetime) -> Self:  # noqa: A002 - the field's name
        """Make a subscriber that has yet to confirm.

        Raises:
            InvalidFields: fields break their rules.
        """
        if language and not _LANGUAGE.fullmatch(language):
            raise InvalidFields.of([Violation("language", "must be a language tag, such as de or en-GB")])
        address = Mailbox.of("", email, field="email").address
        return cls(id, str(address), address.key, language or "en", now, now, None)

    def to_be_asked_again(self, now: datetime) -> Self | None:
        """Give the subscriber as one that is asked again, or None if one more sign-up is no reason for a mail."""
        if self.confirmed_at is not None or now < self.asked_at + ASK_AGAIN_AFTER:
            return None
        return replace(self, asked_at=now)

    def confirmed(self, now: datetime) -> Self | None:
        """Give the subscriber as one that has confirmed; the very same one if it had, None if it is too late."""
        if self.confirmed_at is not None:
            return self
        return replace(self, confirmed_at=now) if now < self.asked_at + CONFIRM_WITHIN else None
