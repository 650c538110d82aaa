"""Texts that agents reply with often; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from chassis.errors import InvalidFields
from chassis.text import check_text
from support.model.message import MAX_BODY

MAX_TITLE: Final = 200


@dataclass(frozen=True)
class CannedReply:
    """A text to reply with; `version` is 1 when created and one more with each change."""

    id: UUID
    title: str
    body: str
    author_id: UUID
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def new(cls, *, id: UUID, author_id: UUID, title: str, body: str, now: datetime) -> Self:  # noqa: A002
        """Make a canned reply.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(id=id, title=title, body=body, author_id=author_id, created_at=now, updated_at=now, version=1)
        made.check()
        return made

    def changed(self, changes: Mapping[str, str], now: datetime) -> Self:
        """Give it with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)  # type: ignore[arg-type] # title and body alone, as convert reads the mask
        made.check()
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("title", self.title, MAX_TITLE, least=1),
            *check_text("body", self.body, MAX_BODY, least=1, lines=True),
        ]
        if violations:
            raise InvalidFields.of(violations)
