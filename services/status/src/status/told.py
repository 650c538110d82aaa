"""The events of the status page as webhooks get them, written when they happen; pure.

`data` says what anyone may read of it, as it is after the event: who of the staff did it stays inside.
"""

from datetime import datetime
from typing import Any, Final

from pydantic_core import to_jsonable_python

from status.model.components import Component, Event
from status.model.incidents import Incident, Progress
from status.model.maintenances import Window

INCIDENT_OPENED: Final = "incident.opened"
INCIDENT_UPDATED: Final = "incident.updated"
INCIDENT_RESOLVED: Final = "incident.resolved"
MAINTENANCE_PLANNED: Final = "maintenance.planned"
COMPONENT_CHANGED: Final = "component.changed"
EVENT_TYPES: Final = (
    INCIDENT_OPENED,
    INCIDENT_UPDATED,
    INCIDENT_RESOLVED,
    MAINTENANCE_PLANNED,
    COMPONENT_CHANGED,
)


def component_changed(component: Component, event: Event) -> dict[str, Any]:
    """A component fares otherwise than before."""
    return _told(COMPONENT_CHANGED, component=vars(component), event=_public(event))


def incident(incident: Incident) -> dict[str, Any]:
    """An incident was opened, updated or resolved; `update` is the news of it."""
    resolved = incident.status is Progress.RESOLVED
    first = len(incident.updates) == 1
    type_ = INCIDENT_RESOLVED if resolved else INCIDENT_OPENED if first else INCIDENT_UPDATED
    return _told(type_, incident=_public(incident, "updates"), update=_public(incident.updates[0], "turns"))


def maintenance_planned(window: Window, now: datetime) -> dict[str, Any]:
    """Maintenance was planned, or recorded while it lasts; `status` is as the clock stands."""
    return _told(MAINTENANCE_PLANNED, maintenance=vars(window) | {"status": window.phase(now).name.lower()})


def _told(type_: str, **data: Any) -> dict[str, Any]:
    return {"type": type_, "data": to_jsonable_python(data)}


def _public(value: Any, *left_out: str) -> dict[str, Any]:
    return {name: held for name, held in vars(value).items() if name not in {"created_by", *left_out}}
