"""Who is told of incidents, as clients see them; the bounds are those of neoforge.status.v1."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.text import HTTP_URL, LANGUAGE, LINE, LINE_OR_NOTHING

EventType = Literal[
    "incident.opened", "incident.updated", "incident.resolved", "maintenance.planned", "component.changed"
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewSubscription(_Model):
    """Which address to ask whether it wants to be told."""

    email: Annotated[
        str, StringConstraints(min_length=3, max_length=254, pattern=LINE), Field(examples=["mara@example.com"])
    ]
    language: Annotated[
        str, StringConstraints(max_length=35, pattern=LANGUAGE), Field(description="Of its mails.", examples=["de"])
    ] = "en"


class Said(BaseModel):
    """What became of it, for people."""

    message: str


class Subscriber(BaseModel):
    """An address that is told, or was asked whether it wants to be."""

    id: UUID
    email: str
    language: str
    created_at: datetime
    confirmed_at: datetime | None


class NewWebhookSubscriber(_Model):
    """Which URL to tell, of what."""

    url: Annotated[
        str,
        StringConstraints(min_length=1, max_length=2_000, pattern=HTTP_URL),
        Field(
            description="http or https, in production https alone, to an address of the public internet.",
            examples=["https://hooks.example.com/status"],
            json_schema_extra={"format": "uri"},
        ),
    ]
    events: Annotated[
        list[EventType],
        Field(max_length=5, description="Each once; empty for all.", json_schema_extra={"uniqueItems": True}),
    ] = Field(default_factory=list)
    description: Annotated[str, StringConstraints(max_length=500, pattern=LINE_OR_NOTHING)] = ""


class WebhookSubscriber(BaseModel):
    """A URL that is told, by signed messages (Standard Webhooks 1.0.0)."""

    id: UUID
    url: str
    events: list[EventType]
    description: str
    enabled: Annotated[bool, Field(description="One that fails for days is disabled.")]
    created_at: datetime


class CreatedWebhookSubscriber(WebhookSubscriber):
    """The webhook as it was made."""

    secret: Annotated[str, Field(description="What its messages are signed with. Shown once: keep it.")]
