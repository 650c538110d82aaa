"""Messages of a thread, their files, and the entries of a history; pure."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text
from support.model.ticket import Change

MAX_BODY: Final = 65_536
MAX_MESSAGES: Final = 10_000
MAX_ATTACHMENTS: Final = 20
MAX_ATTACHMENT_BYTES: Final = 10 * 1024 * 1024
MAX_FILENAME: Final = 255
MAX_CHUNK_BYTES: Final = 64 * 1024

_OCTETS: Final = "application/octet-stream"
_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}"  # noqa: S105 - RFC 9110, section 5.6.2
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}")


@dataclass(frozen=True)
class Message:
    """One message of a thread; it never changes. `internal` is a note that no customer ever sees."""

    id: UUID
    ticket_id: UUID
    author_id: UUID
    from_agent: bool
    internal: bool
    body: str
    created_at: datetime

    def check(self) -> None:
        """Hold the body against its rules.

        Raises:
            InvalidFields: it breaks them.
        """
        violations = check_text("body", self.body, MAX_BODY, least=1, lines=True)
        if violations:
            raise InvalidFields.of(violations)


@dataclass(frozen=True)
class Attachment:
    """A file of a message; it never changes. `internal` as the message."""

    id: UUID
    ticket_id: UUID
    message_id: UUID
    internal: bool
    filename: str
    content_type: str
    size: int
    sha256: bytes
    created_at: datetime


@dataclass(frozen=True)
class FileName:
    """What a file is called and said to be, made safe to store and to offer for download."""

    filename: str
    content_type: str

    @classmethod
    def of(cls, filename: str, content_type: str) -> Self:
        """Drop any path, control and format characters, blanks and dots around, and a media type's parameters.

        Raises:
            InvalidFields: nothing is left of the name.
        """
        name = re.split(r"[/\\]", filename)[-1]
        name = "".join(
            c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] not in "CZ" or c == " "
        )
        name = re.sub(r'[<>:"|?*]', "_", name).strip(" .")
        if not name:
            raise InvalidFields.of([Violation("filename", "must be the name of a file")])
        media_type = content_type.partition(";")[0].strip().lower()
        return cls(_shortened(name), media_type if _MEDIA_TYPE.fullmatch(media_type) else _OCTETS)


class Event(StrEnum):
    """What happened to a ticket."""

    CREATED = "created"
    CHANGED = "changed"
    REPLIED = "replied"
    NOTED = "noted"
    ATTACHED = "attached"
    BREACHED = "breached"


@dataclass(frozen=True)
class Entry:
    """One entry of a history: what happened, by whom (None: by itself), and to which fields or with which message."""

    id: UUID
    ticket_id: UUID
    event: Event
    actor_id: UUID | None
    changes: tuple[Change, ...]
    message_id: UUID | None
    internal: bool
    created_at: datetime


def _shortened(name: str) -> str:
    """Cut a long name before its suffix."""
    if len(name) <= MAX_FILENAME:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) >= MAX_FILENAME // 2:
        return name[:MAX_FILENAME]
    return stem[: MAX_FILENAME - len(suffix) - 1] + dot + suffix
