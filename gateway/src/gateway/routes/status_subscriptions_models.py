"""Who is told of incidents, as clients see them; the bounds are those of neoforge.status.v1."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.text import LANGUAGE, LINE


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
