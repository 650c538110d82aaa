"""Invitations as clients see them; the bounds are those of neoforge.projects.v1, which the service checks again."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway import text

Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254, pattern=text.LINE),
    Field(
        description="A mail address; its parts may be in any script (RFC 6531).",
        examples=["mara@example.com"],
        json_schema_extra={"format": "idn-email"},
    ),
]
Name = Annotated[
    str,
    StringConstraints(max_length=200, pattern=text.LINE_OR_NOTHING),
    Field(description="The name of who is invited, for the mail.", examples=["Mara"]),
]
InvitedRole = Annotated[
    Literal["viewer", "maintainer"],
    Field(description="Read; read and change.", examples=["maintainer"]),
]
Language = Annotated[
    str,
    StringConstraints(max_length=35, pattern=text.LANGUAGE),
    Field(description="The language of the mail (BCP 47); English where there is none in it.", examples=["de"]),
]
Until = Annotated[datetime, Field(description="Until when the link is good.")]


class NewInvitation(BaseModel):
    """Whom to invite, and how."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: Email
    role: InvitedRole
    name: Name = ""
    language: Language = "en"


class Invitation(BaseModel):
    """A pending invitation. Its link goes to the address by mail and is nowhere else."""

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    project_id: UUID
    email: Annotated[str, Field(description="The address that was invited.")]
    name: Name
    role: InvitedRole
    language: Language
    invited_by: Annotated[UUID, Field(description="The person who invited.")]
    created_at: Annotated[datetime, Field(description="When the address was first invited.")]
    sent_at: Annotated[datetime, Field(description="When it was last invited.")]
    expires_at: Until


class ShownInvitation(BaseModel):
    """What a link invites to."""

    project_name: str
    email: Annotated[str, Field(description="The address that was invited.")]
    name: Name
    role: InvitedRole
    expires_at: Until
    accept: Annotated[str, Field(description="The path to POST to, signed in, for accepting it.")]


class AcceptedInvitation(BaseModel):
    """What the caller is now."""

    project_id: UUID
    user_id: UUID
    role: InvitedRole
    created_at: Annotated[datetime, Field(description="When they were given their first role here.")]
