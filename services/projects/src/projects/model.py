"""Projects as frozen values, and the rules they obey; pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_labels, check_text

MAX_SLUG: Final = 63
MAX_NAME: Final = 200
MAX_DESCRIPTION: Final = 10_000
MAX_LABELS: Final = 20
MAX_LABEL: Final = 50
MAX_MEMBERS: Final = 1_000
MAX_SEARCH: Final = 200

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


class Status(StrEnum):
    """Whether a project is being worked on."""

    ACTIVE = "active"
    ARCHIVED = "archived"


class Visibility(StrEnum):
    """Who may read a project: its members, or everyone who is signed in."""

    PRIVATE = "private"
    PUBLIC = "public"


class Role(StrEnum):
    """What a member may do: read; read and change; all, deletion and members included."""

    VIEWER = "viewer"
    MAINTAINER = "maintainer"
    OWNER = "owner"

    @property
    def may_change(self) -> bool:
        """Whether this role may change the project's fields."""
        return self is not Role.VIEWER

    def includes(self, other: "Role") -> bool:
        """Whether this role may do all that the other may."""
        ascending = list(Role)
        return ascending.index(self) >= ascending.index(other)


@dataclass(frozen=True)
class Project:
    """A project; `version` is 1 when created and one more with each change."""

    id: UUID
    slug: str
    name: str
    description: str
    status: Status
    visibility: Visibility
    owner_id: UUID
    labels: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        owner_id: UUID,
        now: datetime,
        slug: str,
        name: str,
        description: str,
        visibility: Visibility,
        labels: tuple[str, ...],
    ) -> Self:
        """Make a project, its slug from its name when none is given.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(
            id=id,
            slug=slug or slug_of(name),
            name=name,
            description=description,
            status=Status.ACTIVE,
            visibility=visibility,
            owner_id=owner_id,
            labels=labels,
            created_at=now,
            updated_at=now,
            version=1,
        )
        made.check()
        return made

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the project with these fields changed; the very same one when nothing differs.

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
        ]
        if len(self.slug) > MAX_SLUG or not _SLUG.fullmatch(self.slug):
            violations.append(Violation("slug", f"must be 1 to {MAX_SLUG} of a-z, 0-9 and inner hyphens"))
        violations += check_labels("labels", self.labels, MAX_LABELS, MAX_LABEL)
        if violations:
            raise InvalidFields.of(violations)


@dataclass(frozen=True)
class Member:
    """A person's part in a project."""

    user_id: UUID
    role: Role
    created_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which projects a list holds; None and empty mean any."""

    status: Status | None = None
    visibility: Visibility | None = None
    labels: tuple[str, ...] = ()
    text: str = ""
    owner_id: UUID | None = None

    def check(self) -> None:
        """Hold the filter against its rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = check_text("text", self.text, MAX_SEARCH)
        violations += check_labels("labels", self.labels, MAX_LABELS, MAX_LABEL)
        if violations:
            raise InvalidFields.of(violations)


def slug_of(name: str) -> str:
    """Make a slug of a name: letters without accents and digits, joined by hyphens; `project` if none is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAX_SLUG].strip("-") or "project"
