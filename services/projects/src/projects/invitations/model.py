"""Invitations as frozen values, and the rules they obey; pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.mail.addresses import Mailbox
from projects.model import Role

LIFETIME: Final = timedelta(days=7)
KEPT: Final = timedelta(days=30)
"""How long an invitation is remembered after its end, so that who accepted it gets the same answer again."""
MAX_PENDING: Final = 100
MAX_SENT: Final = 200
"""Invitations that one person can send within MAX_SENT_WITHIN, in all projects."""
MAX_SENT_WITHIN: Final = timedelta(days=1)

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True)
class Invitation:
    """An invitation; `generation` is 1 when the address is first invited and one more each time that it is again."""

    id: UUID
    project_id: UUID
    email: str
    email_key: str
    name: str
    role: Role
    language: str
    invited_by: UUID
    generation: int
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    accepted_by: UUID | None
    accepted_at: datetime | None

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        project_id: UUID,
        email: str,
        name: str,
        role: Role,
        language: str,
        invited_by: UUID,
        now: datetime,
    ) -> Self:
        """Make an invitation.

        Raises:
            InvalidFields: fields break their rules.
        """
        if language and not _LANGUAGE.fullmatch(language):
            raise InvalidFields.of([Violation("language", "must be a language tag, such as de or en-GB")])
        to = Mailbox.of(name, email, field="email")
        return cls(
            id=id,
            project_id=project_id,
            email=to.address.readable,
            email_key=to.address.key,
            name=to.name,
            role=role,
            language=language or "en",
            invited_by=invited_by,
            generation=1,
            created_at=now,
            sent_at=now,
            expires_at=now + LIFETIME,
            accepted_by=None,
            accepted_at=None,
        )

    def pending(self, generation: int, now: datetime) -> bool:
        """Whether the link that was sent as number `generation` can be accepted now."""
        return self.accepted_by is None and self.generation == generation and now < self.expires_at
