"""Webhooks as frozen values, and the rules they obey; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from pydantic_core import to_json

from chassis.errors import InvalidFields, Violation
from chassis.mail.addresses import Address, InvalidAddress
from chassis.text import check_text
from chassis.webhooks import urls
from chassis.webhooks.addresses import Network

MAX_ENDPOINTS: Final = 20
"""Per owner; so an event never becomes more messages than this."""
MAX_SECRETS: Final = 5
"""Per endpoint, those that still sign after rotations included."""
MAX_DESCRIPTION: Final = 500
EXCERPT_CHARACTERS: Final = 1_000
TEST_EVENT: Final = "webhook.test"


class DisabledReason(StrEnum):
    """Why an endpoint gets nothing: its owner said so, it failed for too long, or it answered 410 Gone."""

    OWNER = "owner"
    FAILING = "failing"
    GONE = "gone"


class MessageState(StrEnum):
    """What became of a message: another attempt is due, it was accepted, or no attempt is left."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True)
class Rules:
    """What endpoints of a service may be: the events there are, whether http will do, networks that are open."""

    event_types: tuple[str, ...]
    https_only: bool = True
    allowed_networks: Sequence[Network] = ()


@dataclass(frozen=True)
class Event:
    """Something that happened: its type such as `project.created`, when, and what about, as JSON values.

    `data` should hold the resource's version, since events may arrive in another order than they happened in.
    """

    type: str
    at: datetime
    data: Mapping[str, Any]

    def body(self) -> str:
        """Give the payload that is sent, and sent again, byte for byte."""
        return to_json({"type": self.type, "timestamp": self.at, "data": self.data}).decode()


@dataclass(frozen=True)
class Endpoint:
    """Where events of one owner are sent; without `events`, all of them. `contact` is told when it gets disabled."""

    id: UUID
    owner_id: UUID
    url: str
    events: tuple[str, ...]
    description: str
    contact: str
    enabled: bool
    disabled_reason: DisabledReason | None
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def new(
        cls,
        rules: Rules,
        *,
        id: UUID,  # noqa: A002 - the field's name
        owner_id: UUID,
        now: datetime,
        url: str,
        events: tuple[str, ...],
        description: str,
        contact: str,
    ) -> Self:
        """Make an endpoint, enabled.

        Raises:
            InvalidFields: fields break their rules.
        """
        return cls(
            id=id,
            owner_id=owner_id,
            url=url,
            events=events,
            description=description,
            contact=contact,
            enabled=True,
            disabled_reason=None,
            disabled_at=None,
            created_at=now,
            updated_at=now,
            version=1,
        ).checked(rules)

    def changed(self, changes: Mapping[str, Any], now: datetime, rules: Rules) -> Self:
        """Give the endpoint with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes).checked(rules)
        if made.enabled and not self.enabled:
            made = replace(made, disabled_reason=None, disabled_at=None)
        elif self.enabled and not made.enabled:
            made = replace(made, disabled_reason=DisabledReason.OWNER, disabled_at=now)
        return self if made == self else replace(made, updated_at=now, version=self.version + 1)

    def checked(self, rules: Rules) -> Self:
        """Give the endpoint with its URL in the canonical spelling.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        url, violations = urls.check(self.url, "url", https_only=rules.https_only, allowed=rules.allowed_networks)
        violations += check_text("description", self.description, MAX_DESCRIPTION)
        violations += _check_contact(self.contact)
        for i, name in enumerate(self.events):
            if name not in rules.event_types:
                violations.append(Violation(f"events[{i}]", "must be one of " + ", ".join(rules.event_types)))
            elif name in self.events[:i]:
                violations.append(Violation(f"events[{i}]", "stands there twice"))
        if violations:
            raise InvalidFields.of(violations)
        return replace(self, url=url)


@dataclass(frozen=True)
class Message:
    """One event on its way to one endpoint: what a worker needs for the next attempt.

    `turn` counts the attempts that were ever scheduled, `attempts` those made since it was last sent off.
    """

    id: UUID
    endpoint_id: UUID
    owner_id: UUID
    event_type: str
    body: str
    created_at: datetime
    turn: int
    attempts: int
    url: str
    contact: str
    enabled: bool
    resting_until: datetime | None

    @property
    def is_test(self) -> bool:
        """Whether somebody waits to see what comes of it: tried once and at once, however the endpoint stands."""
        return self.event_type == TEST_EVENT


@dataclass(frozen=True)
class Attempt:
    """One try: when, how long, the answer's status or the error, how the answer began, when the next one is due."""

    id: UUID
    endpoint_id: UUID
    message_id: UUID
    event_type: str
    started_at: datetime
    duration_ms: int
    status: int | None
    error: str
    response_excerpt: str
    next_attempt_at: datetime | None

    @property
    def delivered(self) -> bool:
        """Whether the receiver accepted the message."""
        return not self.error


def _check_contact(contact: str) -> list[Violation]:
    if not contact:
        return []
    try:
        Address.parse(contact)
    except InvalidAddress as wrong:
        return [Violation("contact", f"must be an e-mail address: {wrong}")]
    return []
