"""Projects as clients see them; the bounds are those of neoforge.projects.v1, which the service checks again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.paging import PageQuery
from gateway.text import LINE, LINE_OR_NOTHING, LINES, OWNER, SLUG

Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=SLUG),
    Field(description="a-z, 0-9 and inner hyphens; unique among the projects of an owner.", examples=["billing-api"]),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE), Field(examples=["Billing API"])]
Text = Annotated[
    str,
    StringConstraints(max_length=10_000, pattern=LINES),
    Field(description="Plain text or Markdown.", examples=["Invoices, dunning and tax."]),
]
Label = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
Labels = Annotated[
    list[Label],
    Field(
        max_length=20,
        description="Each once, in the order given.",
        examples=[["backend", "money"]],
        json_schema_extra={"uniqueItems": True},
    ),
]
Status = Literal["active", "archived"]
Visibility = Literal["private", "public"]
Role = Literal["viewer", "maintainer", "owner"]
Order = Literal["created_at", "-created_at", "updated_at", "-updated_at", "name", "-name"]

_EXAMPLE: dict[str, Any] = {
    "id": "0193fd12-7c40-7a3b-9a51-2f1c6d0e8b77",
    "slug": "billing-api",
    "name": "Billing API",
    "description": "Invoices, dunning and tax.",
    "status": "active",
    "visibility": "private",
    "owner_id": "018f0000-0000-7000-8000-000000000001",
    "labels": ["backend", "money"],
    "created_at": "2026-11-02T09:30:00.123456Z",
    "updated_at": "2026-11-02T09:30:00.123456Z",
    "version": 1,
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Project(BaseModel):
    """A project. Everyone who is signed in may read a public one, its members a private one."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    slug: Slug
    name: Name
    description: Text
    status: Annotated[Status, Field(description="Being worked on, or put away and still readable.")]
    visibility: Annotated[Visibility, Field(description="Readable for its members, or for everyone signed in.")]
    owner_id: Annotated[UUID, Field(description="The person who owns it.")]
    labels: Labels
    created_at: datetime
    updated_at: datetime
    version: Annotated[int, Field(ge=1, description="1 when created, one more with each change; the ETag in quotes.")]


class NewProject(_Model):
    """What a new project is made of; the caller becomes its owner."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Billing API", "description": "Invoices, dunning and tax.", "labels": ["backend"]}],
        },
    )

    name: Name
    slug: Annotated[Slug | None, Field(description="Made from the name when absent or null.")] = None
    description: Text = ""
    visibility: Visibility = "private"
    labels: Labels = Field(default_factory=list)


def _describe_changes(schema: dict[str, Any]) -> None:
    """Leave out the defaults, which stand for "as it is" and are no values."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["minProperties"] = 1
    schema["examples"] = [{"status": "archived", "labels": ["backend", "frozen"]}]


class ProjectChanges(_Model):
    """A JSON merge patch (RFC 7396) of a project: what is absent stays; null empties description or labels."""

    model_config = ConfigDict(json_schema_extra=_describe_changes)

    name: Name = ""
    slug: Slug = ""
    description: Text | None = None
    status: Status = "active"
    visibility: Visibility = "private"
    labels: Labels | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


class ProjectQuery(PageQuery):
    """Which projects to list: those that the caller may read and that fit every filter."""

    status: Status | None = None
    visibility: Visibility | None = None
    label: Annotated[list[Label], Field(max_length=20)] = Field(
        default_factory=list,
        description="Only with this label; repeatable, all must be there.",
    )
    text: Annotated[str, StringConstraints(max_length=200, pattern=LINE_OR_NOTHING)] = Field(
        default="",
        description="Only with every word of this at the start of a word of name or description.",
    )
    owner: Annotated[str, StringConstraints(pattern=OWNER)] | None = Field(
        default=None,
        description="Only of this person (UUID); `me` is the caller.",
    )
    order: Order = Field(default="-created_at", description="Ascending, or descending with `-`; equals by id.")


class Member(BaseModel):
    """A person's part in a project."""

    user_id: UUID
    role: Annotated[Role, Field(description="Read; read and change; everything. A project has one owner.")]
    created_at: Annotated[datetime, Field(description="When they were given their first role here.")]


class MemberRole(_Model):
    """The role to give to a person."""

    role: Annotated[Literal["viewer", "maintainer"], Field(examples=["maintainer"])]
