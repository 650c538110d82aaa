"""Reports, cases and the moderation log as frozen values; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from chassis.errors import InvalidFields
from chassis.text import check_text
from community.model.content import Subject

MAX_NOTE: Final = 1_000
MAX_REASON: Final = 500


class ReportReason(StrEnum):
    """Why a reader reports something."""

    SPAM = "spam"
    ABUSE = "abuse"
    OFF_TOPIC = "off_topic"
    ILLEGAL = "illegal"
    OTHER = "other"


class CaseState(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    HIDDEN = "hidden"
    DISMISSED = "dismissed"
    DELETED = "deleted"


class Decision(StrEnum):
    """What a moderator decides about a case."""

    HIDE = "hide"
    RESTORE = "restore"
    DISMISS = "dismiss"


class ActionKind(StrEnum):
    """What a moderator did."""

    HIDE = "hide"
    RESTORE = "restore"
    DISMISS = "dismiss"
    PIN = "pin"
    UNPIN = "unpin"
    LOCK = "lock"
    UNLOCK = "unlock"
    EDIT = "edit"
    DELETE = "delete"


@dataclass(frozen=True)
class Report:
    """What one reader says against a post or reply."""

    subject: Subject
    person_id: UUID
    reason: ReportReason
    note: str
    created_at: datetime

    def check(self) -> None:
        """Hold the note against its rules.

        Raises:
            InvalidFields: it breaks them.
        """
        violations = check_text("note", self.note, MAX_NOTE, lines=True)
        if violations:
            raise InvalidFields.of(violations)


@dataclass(frozen=True)
class Case:
    """A post or reply that was reported or hidden, with what was said against it."""

    subject: Subject
    post_id: UUID
    author_id: UUID
    excerpt: str
    state: CaseState
    opened_at: datetime
    decision_reason: str
    reports: Mapping[ReportReason, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Action:
    """An entry of the moderation log."""

    id: UUID
    kind: ActionKind
    subject: Subject
    post_id: UUID
    moderator_id: UUID
    reason: str
    created_at: datetime


def check_reason(reason: str) -> None:
    """Hold the reason of a decision against its rules.

    Raises:
        InvalidFields: it breaks them.
    """
    violations = check_text("reason", reason, MAX_REASON, least=1, lines=True)
    if violations:
        raise InvalidFields.of(violations)
