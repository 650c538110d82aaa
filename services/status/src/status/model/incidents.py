"""Incidents and their updates, and how their status may move; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, LimitReached, Violation
from chassis.text import check_text
from status.errors import IllegalMove
from status.model.components import Status

MAX_TITLE: Final = 200
MAX_BODY: Final = 5_000
MAX_AFFECTED: Final = 50
MAX_UPDATES: Final = 200


class Progress(StrEnum):
    """Where the work on an incident stands."""

    INVESTIGATING = "investigating"
    IDENTIFIED = "identified"
    MONITORING = "monitoring"
    RESOLVED = "resolved"


class Impact(StrEnum):
    """How much of the product an incident takes away, ascending."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True)
class Turn:
    """How a component that an update names fared before it and from then on; the same where nothing was said."""

    component_id: UUID
    before: Status
    after: Status


@dataclass(frozen=True)
class Update:
    """What people were told at a time, and of which components."""

    id: UUID
    status: Progress
    body: str
    created_by: UUID
    created_at: datetime
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Affected:
    """A component that an incident is about, and how it fares from now on where that was said."""

    component_id: UUID
    status: Status | None


@dataclass(frozen=True)
class Incident:
    """Something that is wrong with the product; `updates` are all of them, the newest first."""

    id: UUID
    title: str
    status: Progress
    impact: Impact
    component_ids: tuple[UUID, ...]
    updates: tuple[Update, ...]
    created_at: datetime
    updated_at: datetime
    monitoring_at: datetime | None
    resolved_at: datetime | None
    version: int

    @classmethod
    def opened(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        title: str,
        impact: Impact,
        affected: tuple[Affected, ...],
        first: Update,
    ) -> Self:
        """Open an incident with its first update.

        Raises:
            InvalidFields: fields break their rules.
        """
        violations = [
            *check_text("title", title, MAX_TITLE, least=1),
            *_check_body(first),
            *check_affected("components", [one.component_id for one in affected]),
        ]
        if violations:
            raise InvalidFields.of(violations)
        now = first.created_at
        return cls(
            id=id,
            title=title,
            status=first.status,
            impact=impact,
            component_ids=tuple(one.component_id for one in affected),
            updates=(first,),
            created_at=now,
            updated_at=now,
            monitoring_at=now if first.status is Progress.MONITORING else None,
            resolved_at=now if first.status is Progress.RESOLVED else None,
            version=1,
        )

    def with_turns(self, turns: tuple[Turn, ...]) -> Self:
        """Give the incident with what its newest update made of components."""
        newest, *earlier = self.updates
        return replace(self, updates=(replace(newest, turns=turns), *earlier))

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.status is not Progress.RESOLVED

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the incident with title or impact changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)
        violations = check_text("title", made.title, MAX_TITLE, least=1)
        if violations:
            raise InvalidFields.of(violations)
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)

    def told(self, update: Update, affected: tuple[Affected, ...]) -> Self:
        """Give the incident with one more update, and what it is about with what that adds.

        Raises:
            InvalidFields: fields break their rules.
            IllegalMove: it is resolved, and what comes back is another incident.
            LimitReached: it has MAX_UPDATES.
        """
        if not self.is_open:
            raise IllegalMove(self.status, update.status)
        named = [one.component_id for one in affected]
        violations = [*_check_body(update), *check_affected("components", named)]
        about = (*self.component_ids, *(id_ for id_ in named if id_ not in self.component_ids))
        if len(about) > MAX_AFFECTED:
            violations.append(Violation("components", f"an incident is about at most {MAX_AFFECTED} components"))
        if violations:
            raise InvalidFields.of(violations)
        if len(self.updates) >= MAX_UPDATES:
            raise LimitReached(f"an incident has at most {MAX_UPDATES} updates")
        return replace(
            self,
            status=update.status,
            component_ids=about,
            updates=(update, *self.updates),
            updated_at=update.created_at,
            monitoring_at=self._monitoring_at(update),
            resolved_at=update.created_at if update.status is Progress.RESOLVED else None,
            version=self.version + 1,
        )

    def _monitoring_at(self, update: Update) -> datetime | None:
        if update.status is Progress.MONITORING:
            return self.monitoring_at or update.created_at
        # Back from monitoring, the mend did not hold.
        return self.monitoring_at if update.status is Progress.RESOLVED else None


def check_affected(field: str, ids: list[UUID]) -> list[Violation]:
    """Give what is wrong with a list of components: how many, and whether each stands there once."""
    violations = [Violation(field, f"must be at most {MAX_AFFECTED}")] if len(ids) > MAX_AFFECTED else []
    violations += [Violation(f"{field}[{i}]", "stands there twice") for i, id_ in enumerate(ids) if id_ in ids[:i]]
    return violations


def _check_body(update: Update) -> list[Violation]:
    return check_text("body", update.body, MAX_BODY, least=1, lines=True)
