"""Planned maintenance: windows that the clock alone opens and closes; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text
from status.model.incidents import MAX_TITLE, check_affected

MAX_MESSAGE: Final = 5_000
LONGEST: Final = timedelta(days=30)


class Phase(IntEnum):
    """Where the clock stands to a window, in the order in which it gets there."""

    SCHEDULED = 0
    IN_PROGRESS = 1
    COMPLETED = 2


@dataclass(frozen=True)
class Window:
    """Planned work on components from `starts_at` until before `ends_at`.

    `version` is 1 when planned and one more with each change; what people see has besides one more for each time that
    the clock opened or closed it since, see `version_at`.
    """

    id: UUID
    title: str
    message: str
    component_ids: tuple[UUID, ...]
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def planned(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        now: datetime,
        title: str,
        message: str,
        component_ids: tuple[UUID, ...],
        starts_at: datetime,
        ends_at: datetime,
    ) -> Self:
        """Plan a window; one that has begun or is over already is that from the first.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(id, title, message, component_ids, starts_at, ends_at, now, now, 1)
        made.check()
        return made

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the window with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)
        made.check()
        return self if made == self else replace(made, updated_at=now, version=self.version_at(now) + 1)

    def phase(self, now: datetime) -> Phase:
        """Give where the clock stands to it."""
        if now < self.starts_at:
            return Phase.SCHEDULED
        return Phase.IN_PROGRESS if now < self.ends_at else Phase.COMPLETED

    def changed_at(self, now: datetime) -> datetime:
        """Give when what people see of it last changed: by somebody, or by the clock that opened or closed it."""
        turns = [moment for moment in (self.starts_at, self.ends_at) if moment <= now]
        return max([self.updated_at, *turns])

    def version_at(self, now: datetime) -> int:
        """Give the version of what people see at a time: it grows when the window opens and closes."""
        return self.version + max(0, self.phase(now) - self.phase(self.updated_at))

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("title", self.title, MAX_TITLE, least=1),
            *check_text("message", self.message, MAX_MESSAGE, lines=True),
            *check_affected("component_ids", list(self.component_ids)),
        ]
        if self.ends_at <= self.starts_at:
            violations.append(Violation("ends_at", "must be after starts_at"))
        elif self.ends_at - self.starts_at > LONGEST:
            violations.append(Violation("ends_at", f"must be at most {LONGEST.days} days after starts_at"))
        if violations:
            raise InvalidFields.of(violations)
