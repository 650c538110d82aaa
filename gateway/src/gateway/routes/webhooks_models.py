"""Webhooks as clients see them; the bounds are those of neoforge.common.v1, which each service checks again.

What names events is generic in them, since each service has its own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Generic, Literal, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway import text
from gateway.paging import PageQuery

E = TypeVar("E", bound=str)

Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000, pattern=text.HTTP_URL),
    Field(
        description="Where events are sent: http or https, in production https alone, to an address of the public "
        "internet. No user name, password or fragment.",
        examples=["https://hooks.example.com/neoforge"],
        json_schema_extra={"format": "uri"},
    ),
]
Events = Annotated[
    list[E],
    Field(
        max_length=50,
        description="The events that it wants, each once; empty for all, those to come included.",
        json_schema_extra={"uniqueItems": True},
    ),
]
Description = Annotated[str, StringConstraints(max_length=500, pattern=text.LINE_OR_NOTHING)]
Contact = Annotated[
    str,
    StringConstraints(max_length=254, pattern=text.LINE_OR_NOTHING),
    Field(
        description="The mail address of whom to tell when it gets disabled; empty for nobody.",
        examples=["ines@example.com"],
    ),
]
Secret = Annotated[
    str,
    Field(
        description="What its messages are signed with (Standard Webhooks). Shown once: keep it.",
        examples=["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"],  # not a secret
    ),
]


SECRET: Final = {"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}  # not a secret
"""What an example has besides when it was just created."""


def example(url: str, event: str) -> dict[str, Any]:
    """Give an example of a service's webhooks."""
    return {
        "id": "0193fd12-7c40-7a3b-9a51-2f1c6d0e8b77",
        "url": url,
        "events": [event],
        "description": "Tells the billing system.",
        "contact": "ines@example.com",
        "enabled": True,
        "disabled_reason": None,
        "disabled_at": None,
        "created_at": "2026-11-02T09:30:00.123456Z",
        "updated_at": "2026-11-02T09:30:00.123456Z",
        "owner_id": "018f0000-0000-7000-8000-000000000001",
        "version": 1,
    }


def asked(webhook: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an example is created by."""
    return {name: webhook[name] for name in ("url", "events")}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Webhook(BaseModel, Generic[E]):
    """Where events are sent."""

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    url: Url
    events: Events[E]
    description: Description
    contact: Contact
    enabled: Annotated[bool, Field(description="Whether it gets events.")]
    disabled_reason: Annotated[
        Literal["owner", "failing", "gone"] | None,
        Field(description="Its owner said so; it failed for days; it answered 410 Gone."),
    ]
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    owner_id: Annotated[UUID, Field(description="Whose it is.")]
    version: Annotated[int, Field(ge=1, description="1 when created, one more with each change; the ETag in quotes.")]


class CreatedWebhook(Webhook[E], Generic[E]):
    """A webhook as it was created, with its secret."""

    secret: Secret


class NewWebhook(_Model, Generic[E]):
    """What a new webhook is made of."""

    url: Url
    events: Events[E] = Field(default_factory=list)
    description: Description = ""
    contact: Contact = ""


def _describe_changes(schema: dict[str, Any]) -> None:
    """Leave out the defaults, which stand for "as it is" and are no values."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["minProperties"] = 1
    schema["examples"] = [{"enabled": False}]


class WebhookChanges(_Model, Generic[E]):
    """A JSON merge patch (RFC 7396) of a webhook: what is absent stays; null empties description or contact."""

    model_config = ConfigDict(json_schema_extra=_describe_changes)

    url: Url = ""
    events: Events[E] = Field(default_factory=list)
    description: Description | None = None
    contact: Contact | None = None
    enabled: Annotated[bool, Field(description="Enabling it again forgets its failures.")] = True

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


class Rotation(_Model):
    """How a secret is replaced."""

    overlap_seconds: Annotated[
        int, Field(ge=0, le=604_800, description="How long the secrets before it go on signing as well.")
    ] = 86_400


class RotatedSecret(BaseModel):
    """A new secret."""

    secret: Secret
    previous_until: Annotated[datetime, Field(description="Until when those before it sign as well.")]


class SentMessage(BaseModel):
    """A message on its way."""

    message_id: Annotated[UUID, Field(description="Its `webhook-id`, by which its attempts are found.")]


class WebhookQuery(PageQuery):
    """Whose webhooks to list."""

    owner_id: Annotated[str, StringConstraints(pattern=text.OWNER_OR_ANY)] | None = Field(
        default=None,
        description="Of this person (UUID), or `any` for everyone's; for admins. The caller's when absent.",
    )


class AttemptQuery(PageQuery):
    """Which attempts to list."""

    message_id: (
        Annotated[str, StringConstraints(pattern=text.ID), Field(json_schema_extra={"format": "uuid"})] | None
    ) = Field(default=None, description="Only those at this message.")


class Attempt(BaseModel):
    """One try to deliver one message. It was accepted if `error` is empty; attempts age out."""

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    message_id: Annotated[UUID, Field(description="The message: its `webhook-id`, the same on every attempt.")]
    event_type: str
    started_at: datetime
    duration_ms: Annotated[int, Field(ge=0)]
    status: Annotated[int | None, Field(description="The answer's HTTP status; null when there was none.")]
    error: Annotated[str, Field(description="What was wrong.", examples=["it answered 503"])]
    response_excerpt: Annotated[str, Field(description="How the answer's body began.")]
    next_attempt_at: Annotated[datetime | None, Field(description="When the message is tried again.")]
