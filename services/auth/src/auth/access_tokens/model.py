"""Personal access tokens as frozen values, and their rules; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_text

MAX_TOKENS: Final = 200
MAX_NAME: Final = 100
DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 366


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class AccessToken:
    """A personal access token, without its secret."""

    id: UUID
    owner_id: UUID
    name: str
    scope: Scope
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    version: int

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        owner_id: UUID,
        name: str,
        scope: Scope,
        days: int,
        now: datetime,
    ) -> Self:
        """Make a token; 0 days are 30.

        Raises:
            InvalidFields: fields break their rules.
        """
        violations = check_text("name", name, MAX_NAME, least=1)
        if not 0 <= days <= MAX_DAYS:
            violations.append(Violation("days", f"must be from 1 to {MAX_DAYS}"))
        if violations:
            raise InvalidFields.of(violations)
        return cls(
            id=id,
            owner_id=owner_id,
            name=name,
            scope=scope,
            created_at=now,
            updated_at=now,
            expires_at=now + timedelta(days=days or DEFAULT_DAYS),
            last_used_at=None,
            version=1,
        )

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the token with new values, itself where they are the old ones.

        Raises:
            InvalidFields: a value breaks its rule.
        """
        made = replace(self, **changes)
        violations = check_text("access_token.name", made.name, MAX_NAME, least=1)
        if violations:
            raise InvalidFields.of(violations)
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)
