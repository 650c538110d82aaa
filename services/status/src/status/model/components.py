"""Components, their groups and what happens to them, as frozen values with their rules; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text

MAX_COMPONENTS: Final = 200
MAX_GROUPS: Final = 50
MAX_SLUG: Final = 63
MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 1_000
MAX_MESSAGE: Final = 1_000
MAX_POSITION: Final = 10_000

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Status(StrEnum):
    """How a component fares; ascending by what people miss, maintenance aside."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"
    MAINTENANCE = "maintenance"

    @property
    def is_trouble(self) -> bool:
        """Whether people miss something that was not announced."""
        return self in {Status.DEGRADED, Status.PARTIAL_OUTAGE, Status.MAJOR_OUTAGE}


class Source(StrEnum):
    """Who says how a component fares: a person, the prober, or the product when the component was created."""

    PERSON = "person"
    PROBER = "prober"
    SYSTEM = "system"


@dataclass(frozen=True)
class Group:
    """Components that are shown together."""

    id: UUID
    name: str
    position: int
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def new(cls, *, id: UUID, now: datetime, name: str, position: int) -> Self:  # noqa: A002 - the field's name
        """Make a group.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(id, name, position, now, now, 1)
        made.check()
        return made

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the group with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)
        made.check()
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [*check_text("name", self.name, MAX_NAME, least=1), *_check_position(self.position)]
        if violations:
            raise InvalidFields.of(violations)


@dataclass(frozen=True)
class Component:
    """A part of the product that people know by name; how it fares is no field of it, its events tell."""

    id: UUID
    slug: str
    name: str
    description: str
    group_id: UUID | None
    position: int
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        now: datetime,
        slug: str,
        name: str,
        description: str = "",
        group_id: UUID | None = None,
        position: int = 0,
    ) -> Self:
        """Make a component.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(id, slug, name, description, group_id, position, now, now, 1)
        made.check()
        return made

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the component with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)
        made.check()
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("name", self.name, MAX_NAME, least=1),
            *check_text("description", self.description, MAX_DESCRIPTION, lines=True),
            *_check_position(self.position),
        ]
        if len(self.slug) > MAX_SLUG or not _SLUG.fullmatch(self.slug):
            violations.append(Violation("slug", f"must be 1 to {MAX_SLUG} of a-z, 0-9 and inner hyphens"))
        if violations:
            raise InvalidFields.of(violations)


@dataclass(frozen=True)
class Event:
    """That a component fares so from `created_at` on; within a component these ascend strictly."""

    id: UUID
    component_id: UUID
    status: Status
    message: str
    source: Source
    incident_id: UUID | None
    created_by: UUID | None
    created_at: datetime

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = check_text("message", self.message, MAX_MESSAGE, lines=True)
        if violations:
            raise InvalidFields.of(violations)


def _check_position(position: int) -> list[Violation]:
    if 0 <= position <= MAX_POSITION:
        return []
    return [Violation("position", f"must be from 0 to {MAX_POSITION}")]
