"""Categories as frozen values, and the rules they obey; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text

MAX_CATEGORIES: Final = 100
MAX_SLUG: Final = 50
MAX_NAME: Final = 80
MAX_DESCRIPTION: Final = 500
MAX_POSITION: Final = 10_000

_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


def is_slug(text: str) -> bool:
    """Say whether a category could have this slug."""
    return len(text) <= MAX_SLUG and _SLUG.fullmatch(text) is not None


@dataclass(frozen=True)
class Category:
    """A category of posts; its slug stays what it is."""

    slug: str
    name: str
    description: str
    position: int
    created_at: datetime
    updated_at: datetime
    version: int

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the category with these fields changed; the very same one when nothing differs.

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
        if not is_slug(self.slug):
            violations.append(Violation("slug", f"must be 1 to {MAX_SLUG} of a-z, 0-9 and inner hyphens"))
        if not 0 <= self.position <= MAX_POSITION:
            violations.append(Violation("position", f"must be from 0 to {MAX_POSITION:,}"))
        if violations:
            raise InvalidFields.of(violations)
