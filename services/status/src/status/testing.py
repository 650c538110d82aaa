"""What tests of the status service do with its page."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.convert import timestamp
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.status.v1 import components_pb2 as components_pb
from neoforge.status.v1 import events_pb2 as events_pb
from neoforge.status.v1 import incidents_pb2 as incidents_pb
from neoforge.status.v1 import maintenances_pb2 as maintenances_pb
from neoforge.status.v1 import page_pb2 as page_pb


class Clock:
    """The service's time: the real one, and what a test lets pass."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Tell it."""
        return datetime.now(UTC) + self.ahead

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**time)


@dataclass(frozen=True)
class Board:
    """Does what people do with a status page; `admin` manages it."""

    call: Client
    admin: Caller
    clock: Clock

    async def component(self, slug: str = "api", **fields: Any) -> components_pb.Component:
        """Create a component."""
        request = components_pb.CreateComponentRequest(**{"slug": slug, "name": slug.title(), **fields})
        made: components_pb.Component = (await self.call(self.admin, "CreateComponent", request)).component
        return made

    async def says(self, component: components_pb.Component, status: int, message: str = "") -> events_pb.Event:
        """Say how a component fares."""
        request = events_pb.CreateEventRequest(component_id=component.id, status=status, message=message)  # type: ignore[arg-type] # numbers of enums
        said: events_pb.Event = (await self.call(self.admin, "CreateEvent", request)).event
        return said

    async def incident(self, title: str = "Slow answers", **fields: Any) -> incidents_pb.Incident:
        """Open an incident."""
        request = incidents_pb.CreateIncidentRequest(**{"title": title, "body": "We look into it.", **fields})
        made: incidents_pb.Incident = (await self.call(self.admin, "CreateIncident", request)).incident
        return made

    async def tell(self, incident: incidents_pb.Incident, body: str = "News.", **fields: Any) -> incidents_pb.Incident:
        """Add an update."""
        request = incidents_pb.CreateIncidentUpdateRequest(incident_id=incident.id, body=body, **fields)
        told: incidents_pb.Incident = (await self.call(self.admin, "CreateIncidentUpdate", request)).incident
        return told

    async def window(
        self, *components: components_pb.Component, starts: timedelta, ends: timedelta, title: str = "New disks"
    ) -> maintenances_pb.Maintenance:
        """Plan maintenance, from and to so long from now."""
        now = self.clock()
        request = maintenances_pb.CreateMaintenanceRequest(
            title=title,
            component_ids=[component.id for component in components],
            starts_at=timestamp(now + starts),
            ends_at=timestamp(now + ends),
        )
        made: maintenances_pb.Maintenance = (await self.call(self.admin, "CreateMaintenance", request)).maintenance
        return made

    async def page(self, caller: Caller | None = None) -> page_pb.GetPageResponse:
        """Read the page."""
        read: page_pb.GetPageResponse = await self.call(caller or self.admin, "GetPage", page_pb.GetPageRequest())
        return read

    async def statuses(self) -> dict[str, int]:
        """Read how each component fares, by slug."""
        return {one.component.slug: one.status for one in (await self.page()).components}
