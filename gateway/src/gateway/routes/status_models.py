"""The status page as clients see it; the bounds are those of neoforge.status.v1, which the service checks again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.moments import Moment
from gateway.paging import PageQuery, PaginatedResponse
from gateway.text import ID, LINE, LINES, SLUG

T = TypeVar("T")

Status = Literal["operational", "degraded", "partial_outage", "major_outage", "maintenance"]
Progress = Literal["investigating", "identified", "monitoring", "resolved"]
Impact = Literal["none", "minor", "major", "critical"]
Phase = Literal["scheduled", "in_progress", "completed"]
Indicator = Literal["none", "maintenance", "minor", "major", "critical"]

Id = Annotated[str, StringConstraints(pattern=ID), Field(json_schema_extra={"format": "uuid"})]
Slug = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63, pattern=SLUG),
    Field(description="a-z, 0-9 and inner hyphens; unique. The prober knows a component by it.", examples=["api"]),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=LINE), Field(examples=["API"])]
Description = Annotated[str, StringConstraints(max_length=1_000, pattern=LINES), Field(examples=["What you call."])]
Position = Annotated[int, Field(ge=0, le=10_000, description="Ascending; equals by name.")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE), Field(examples=["Slow answers"])]
Body = Annotated[
    str,
    StringConstraints(min_length=1, max_length=5_000, pattern=LINES),
    Field(description="Plain text.", examples=["We look into it."]),
]
Message = Annotated[str, StringConstraints(max_length=1_000, pattern=LINES), Field(examples=["The disks are slow."])]
ComponentIds = Annotated[
    list[Id], Field(max_length=50, description="Each once.", json_schema_extra={"uniqueItems": True})
]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Changes(_Model):
    """A JSON merge patch (RFC 7396): what is absent stays."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


def _describe_changes(example: dict[str, Any]) -> ConfigDict:
    """Leave out the defaults, which stand for "as it is" and are no values."""

    def describe(schema: dict[str, Any]) -> None:
        for member in schema["properties"].values():
            member.pop("default", None)
        schema["minProperties"] = 1
        schema["examples"] = [example]

    return ConfigDict(json_schema_extra=describe)


class Freshness(BaseModel):
    """What an answer says of its age. With the status service away, the last good answer goes on being given."""

    stale: Annotated[bool, Field(description="Whether this is the last good answer, given since there is no new one.")]
    as_of: Annotated[datetime | None, Field(description="When that was good; null when this is new.")]


class PublicPage(PaginatedResponse[T], Freshness):
    """A page of a list that anyone may read."""


class Component(BaseModel):
    """A part of the product that people know by name."""

    id: UUID
    slug: Slug
    name: Name
    description: Description
    group_id: Annotated[UUID | None, Field(description="The group that it is shown in.")]
    position: Position
    created_at: Annotated[datetime, Field(description="Before that there is no data.")]
    updated_at: datetime
    version: Annotated[int, Field(ge=1, description="One more with each change; how it fares has no part in it.")]


class ComponentState(Component):
    """A component and how it fares."""

    status: Annotated[
        Status,
        Field(
            description="As its last event says, or maintenance during a window that covers it, unless an event since "
            "the window began says that it is worse."
        ),
    ]
    status_since: datetime
    message: Annotated[str, Field(description="What the last event told; empty during a window.")]


class NewComponent(_Model):
    """What a new component is made of; it is operational from then on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"slug": "api", "name": "API"}]})

    slug: Slug
    name: Name
    description: Description = ""
    group_id: Id | None = None
    position: Position = 0


class ComponentChanges(_Changes):
    """A JSON merge patch (RFC 7396) of a component; null empties the description or takes it out of its group."""

    model_config = _describe_changes({"name": "Public API"})

    slug: Slug = ""
    name: Name = ""
    description: Description | None = None
    group_id: Id | None = None
    position: Position = 0


class ComponentQuery(PageQuery):
    """Which components to list."""

    group: Annotated[str, StringConstraints(pattern=ID)] | None = Field(default=None, description="Only of this group.")


class Group(BaseModel):
    """Components that are shown together."""

    id: UUID
    name: Name
    position: Position
    created_at: datetime
    updated_at: datetime
    version: Annotated[int, Field(ge=1)]


class NewGroup(_Model):
    """What a new group is made of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Core", "position": 1}]})

    name: Name
    position: Position = 0


class GroupChanges(_Changes):
    """A JSON merge patch (RFC 7396) of a group."""

    model_config = _describe_changes({"name": "Core"})

    name: Name = ""
    position: Position = 0


class Event(BaseModel):
    """That a component fares so from a moment on."""

    id: UUID
    component_id: UUID
    status: Status
    message: Message
    source: Annotated[Literal["person", "prober", "system"], Field(description="Who says so.")]
    incident_id: Annotated[UUID | None, Field(description="The incident by which it was said.")]
    created_at: datetime


class NewEvent(_Model):
    """How a component fares from now on."""

    component_id: Id
    status: Status
    message: Message = ""


class EventQuery(PageQuery):
    """Which events to list."""

    component: Annotated[str, StringConstraints(pattern=ID)] | None = Field(
        default=None, description="Only of this component."
    )
    status: Status | None = None


class AffectedComponent(_Model):
    """A component that an incident is about."""

    component_id: Id
    status: Annotated[Status | None, Field(description="How it fares from now on; null leaves it.")] = None


Affected = Annotated[list[AffectedComponent], Field(max_length=50, description="Each once.")]


class IncidentUpdate(BaseModel):
    """What people were told at a time."""

    id: UUID
    status: Progress
    body: Body
    created_at: datetime


class Incident(BaseModel):
    """Something that is wrong with the product."""

    id: UUID
    title: Title
    status: Progress
    impact: Impact
    component_ids: list[UUID]
    updates: Annotated[list[IncidentUpdate], Field(description="The newest first.")]
    created_at: datetime
    updated_at: datetime
    monitoring_at: datetime | None
    resolved_at: datetime | None
    version: Annotated[int, Field(ge=1, description="One more with each change and update; the ETag in quotes.")]


class NewIncident(_Model):
    """What a new incident is made of, its first update included. Subscribers are told."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Slow answers", "body": "We look into it.", "impact": "minor"}]}
    )

    title: Title
    body: Body
    impact: Impact = "minor"
    status: Progress = "investigating"
    components: Affected = Field(default_factory=list)


class NewIncidentUpdate(_Model):
    """What is new. Subscribers are told."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "resolved", "body": "It is over."}]})

    body: Body
    status: Annotated[Progress | None, Field(description="Where the work stands now; null for where it stood.")] = None
    components: Affected = Field(default_factory=list)


class IncidentChanges(_Changes):
    """A JSON merge patch (RFC 7396) of an incident; subscribers are not told."""

    model_config = _describe_changes({"impact": "major"})

    title: Title = ""
    impact: Impact = "none"


class IncidentQuery(PageQuery):
    """Which incidents to list."""

    open: Annotated[Literal["true", "false"], Field(description="`true`: only those that are not resolved.")] = "false"
    status: Progress | None = None
    impact: Impact | None = None


class Maintenance(BaseModel):
    """A window of planned work; the clock opens and closes it."""

    id: UUID
    title: Title
    message: str
    component_ids: list[UUID]
    starts_at: datetime
    ends_at: datetime
    status: Phase
    created_at: datetime
    updated_at: datetime
    version: Annotated[int, Field(ge=1, description="One more with each change, and when it opens and closes.")]


_WINDOW: dict[str, Any] = {"title": "New disks", "starts_at": "2026-11-28T02:00:00Z", "ends_at": "2026-11-28T03:00:00Z"}


class NewMaintenance(_Model):
    """What a new window is made of. Subscribers are told of one that is not over."""

    model_config = ConfigDict(json_schema_extra={"examples": [_WINDOW]})

    title: Title
    message: Annotated[str, StringConstraints(max_length=5_000, pattern=LINES)] = ""
    component_ids: ComponentIds = Field(default_factory=list)
    starts_at: Moment
    ends_at: Annotated[Moment, Field(description="After its start, by 30 days at most.")]


class MaintenanceChanges(_Changes):
    """A JSON merge patch (RFC 7396) of a window."""

    model_config = _describe_changes({"ends_at": "2026-11-28T04:00:00Z"})

    title: Title = ""
    message: Annotated[str, StringConstraints(max_length=5_000, pattern=LINES)] | None = None
    component_ids: ComponentIds | None = None
    starts_at: Moment = Field(default=None)  # type: ignore[assignment] # absent, never null
    ends_at: Moment = Field(default=None)  # type: ignore[assignment] # as above


class MaintenanceQuery(PageQuery):
    """Which windows to list."""

    status: Phase | None = Field(default=None, description="Only those that stand so to the clock.")
