"""The status page as a whole and its daily bars, as clients see them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from gateway.paging import Number
from gateway.routes.status_models import ComponentState, Freshness, Group, Incident, Indicator, Maintenance


class StatusPage(Freshness):
    """How everything fares."""

    indicator: Indicator
    description: Annotated[str, Field(examples=["All Systems Operational"])]
    groups: list[Group]
    components: Annotated[list[ComponentState], Field(description="By position.")]
    incidents: Annotated[list[Incident], Field(description="The newest 50 of those that are open.")]
    maintenances: Annotated[list[Maintenance], Field(description="The first 50 that are open or to come.")]
    updated_at: Annotated[datetime | None, Field(description="When anything of this last changed.")]


class Seconds(BaseModel):
    """How long a component fared how; all of them are 86,400 together."""

    operational: float
    degraded: float
    partial_outage: float
    major_outage: float
    maintenance: Annotated[float, Field(description="Not measured.")]
    no_data: Annotated[float, Field(description="Before it existed, or yet to come.")]


class Day(BaseModel):
    """A day in UTC."""

    date: date
    uptime: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="The share of the measured time in which it was up: a major outage counts whole, a partial one "
            "by 30 per cent. Null if nothing was measured.",
        ),
    ]
    seconds: Seconds


class ComponentUptime(BaseModel):
    """The days of a component."""

    component_id: UUID
    uptime: Annotated[float | None, Field(ge=0, le=1, description="Of all these days together.")]
    days: Annotated[list[Day], Field(description="The oldest first, today last.")]


class OneUptime(ComponentUptime, Freshness):
    """The days of one component."""


class AllUptimes(Freshness):
    """The days of every component."""

    components: list[ComponentUptime]


class UptimeQuery(BaseModel):
    """How many days."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[Number, Field(ge=1, le=90)] = 90
