"""Between the model and the protos of neoforge.status.v1, subscribers aside."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.convert import from_enum, masked, needed, parse_uuid, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from neoforge.status.v1 import components_pb2, events_pb2, incidents_pb2, maintenances_pb2, page_pb2
from status.model.components import Component, Event, Group, Status
from status.model.incidents import Affected, Impact, Incident, Progress
from status.model.maintenances import Phase, Window
from status.model.overall import State
from status.model.uptime import Day, uptime

_LATEST: Final = datetime(9000, 1, 1, tzinfo=UTC)
"""Room for what is reckoned with a moment, before time ends for Python in the year 9999."""

_COMPONENT: Final[Mapping[str, Callable[[components_pb2.Component], Any]]] = {
    "slug": lambda c: c.slug,
    "name": lambda c: c.name,
    "description": lambda c: c.description,
    "group_id": lambda c: optional_uuid(c.group_id, "group_id"),
    "position": lambda c: c.position,
}
_GROUP: Final[Mapping[str, Callable[[components_pb2.Group], Any]]] = {
    "name": lambda g: g.name,
    "position": lambda g: g.position,
}
_INCIDENT: Final[Mapping[str, Callable[[incidents_pb2.Incident], Any]]] = {
    "title": lambda i: i.title,
    "impact": lambda i: needed(from_enum(incidents_pb2.Impact, Impact, i.impact, "impact"), "impact"),
}
_WINDOW: Final[Mapping[str, Callable[[maintenances_pb2.Maintenance], Any]]] = {
    "title": lambda m: m.title,
    "message": lambda m: m.message,
    "component_ids": lambda m: uuids(m.component_ids, "component_ids"),
    "starts_at": lambda m: moment(m.starts_at, "starts_at") if m.HasField("starts_at") else _missing("starts_at"),
    "ends_at": lambda m: moment(m.ends_at, "ends_at") if m.HasField("ends_at") else _missing("ends_at"),
}


def component_proto(component: Component) -> components_pb2.Component:
    """Give a component as its message."""
    return components_pb2.Component(
        id=str(component.id),
        slug=component.slug,
        name=component.name,
        description=component.description,
        group_id=str(component.group_id) if component.group_id else "",
        position=component.position,
        created_at=timestamp(component.created_at),
        updated_at=timestamp(component.updated_at),
        version=component.version,
    )


def state_proto(state: State) -> components_pb2.ComponentState:
    """Give a component and how it fares as their message."""
    return components_pb2.ComponentState(
        component=component_proto(state.component),
        status=to_enum(components_pb2.ComponentStatus, state.status),
        since=timestamp(state.since),
        message=state.message,
    )


def group_proto(group: Group) -> components_pb2.Group:
    """Give a group as its message."""
    return components_pb2.Group(
        id=str(group.id),
        name=group.name,
        position=group.position,
        created_at=timestamp(group.created_at),
        updated_at=timestamp(group.updated_at),
        version=group.version,
    )


def event_proto(event: Event) -> events_pb2.Event:
    """Give an event as its message."""
    return events_pb2.Event(
        id=str(event.id),
        component_id=str(event.component_id),
        status=to_enum(components_pb2.ComponentStatus, event.status),
        message=event.message,
        source=to_enum(events_pb2.EventSource, event.source),
        incident_id=str(event.incident_id) if event.incident_id else "",
        created_at=timestamp(event.created_at),
    )


def incident_proto(incident: Incident) -> incidents_pb2.Incident:
    """Give an incident as its message."""
    return incidents_pb2.Incident(
        id=str(incident.id),
        title=incident.title,
        status=to_enum(incidents_pb2.IncidentStatus, incident.status),
        impact=to_enum(incidents_pb2.Impact, incident.impact),
        component_ids=map(str, incident.component_ids),
        updates=(
            incidents_pb2.IncidentUpdate(
                id=str(update.id),
                status=to_enum(incidents_pb2.IncidentStatus, update.status),
                body=update.body,
                created_at=timestamp(update.created_at),
                turns=(
                    incidents_pb2.Turn(
                        component_id=str(turn.component_id),
                        before=to_enum(components_pb2.ComponentStatus, turn.before),
                        after=to_enum(components_pb2.ComponentStatus, turn.after),
                    )
                    for turn in update.turns
                ),
            )
            for update in incident.updates
        ),
        created_at=timestamp(incident.created_at),
        updated_at=timestamp(incident.updated_at),
        monitoring_at=timestamp(incident.monitoring_at) if incident.monitoring_at else None,
        resolved_at=timestamp(incident.resolved_at) if incident.resolved_at else None,
        version=incident.version,
    )


def window_proto(window: Window, now: datetime) -> maintenances_pb2.Maintenance:
    """Give a window as its message, as the clock stands."""
    return maintenances_pb2.Maintenance(
        id=str(window.id),
        title=window.title,
        message=window.message,
        component_ids=map(str, window.component_ids),
        starts_at=timestamp(window.starts_at),
        ends_at=timestamp(window.ends_at),
        status=to_enum(maintenances_pb2.MaintenanceStatus, window.phase(now)),
        created_at=timestamp(window.created_at),
        updated_at=timestamp(window.updated_at),
        version=window.version_at(now),
    )


def uptime_proto(component_id: UUID, days: list[Day]) -> page_pb2.ComponentUptime:
    """Give the days of a component as their message."""
    return page_pb2.ComponentUptime(component_id=str(component_id), uptime=uptime(days), days=map(_day_proto, days))


def _day_proto(day: Day) -> page_pb2.Day:
    spent = {f"{status.value}_s": length.total_seconds() for status, length in day.spent.items()}
    return page_pb2.Day(date=day.date.isoformat(), no_data_s=day.no_data.total_seconds(), uptime=day.uptime, **spent)


def component_changes(request: components_pb2.UpdateComponentRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed, or a value cannot be read.
    """
    return masked(request.update_mask.paths, _COMPONENT, request.component)


def group_changes(request: components_pb2.UpdateGroupRequest) -> dict[str, Any]:
    """As `component_changes`."""
    return masked(request.update_mask.paths, _GROUP, request.group)


def incident_changes(request: incidents_pb2.UpdateIncidentRequest) -> dict[str, Any]:
    """As `component_changes`."""
    return masked(request.update_mask.paths, _INCIDENT, request.incident)


def window_changes(request: maintenances_pb2.UpdateMaintenanceRequest) -> dict[str, Any]:
    """As `component_changes`."""
    return masked(request.update_mask.paths, _WINDOW, request.maintenance)


def status(number: int, field: str = "status") -> Status | None:
    """Give how a component fares, None when unspecified.

    Raises:
        InvalidFields: there is no such status.
    """
    return from_enum(components_pb2.ComponentStatus, Status, number, field)


def progress(number: int) -> Progress | None:
    """Give where the work on an incident stands, None when unspecified.

    Raises:
        InvalidFields: there is no such status.
    """
    return from_enum(incidents_pb2.IncidentStatus, Progress, number, "status")


def impact(number: int) -> Impact | None:
    """Give how much an incident takes away, None when unspecified.

    Raises:
        InvalidFields: there is no such impact.
    """
    return from_enum(incidents_pb2.Impact, Impact, number, "impact")


def phase(number: int) -> Phase | None:
    """Give where the clock stands to windows, None when unspecified.

    Raises:
        InvalidFields: there is no such status.
    """
    return from_enum(maintenances_pb2.MaintenanceStatus, Phase, number, "status")


def affected(given: Iterable[incidents_pb2.AffectedComponent]) -> tuple[Affected, ...]:
    """Give what an incident is about.

    Raises:
        InvalidFields: an id or a status cannot be read.
    """
    return tuple(
        Affected(
            parse_uuid(one.component_id, f"components[{i}].component_id"),
            status(one.status, f"components[{i}].status"),
        )
        for i, one in enumerate(given)
    )


def optional_uuid(text: str, field: str) -> UUID | None:
    """Give an id, None when empty.

    Raises:
        InvalidFields: it is none.
    """
    return parse_uuid(text, field) if text else None


def uuids(given: Iterable[str], field: str) -> tuple[UUID, ...]:
    """Give ids.

    Raises:
        InvalidFields: one is none.
    """
    return tuple(parse_uuid(text, f"{field}[{i}]") for i, text in enumerate(given))


def moment(given: Timestamp, field: str) -> datetime:
    """Give a moment, to the microsecond.

    Raises:
        InvalidFields: it is none of the years 1970 to 8999.
    """
    try:
        read = given.ToDatetime(UTC)
    except (ValueError, OverflowError):
        read = _LATEST
    if not datetime(1970, 1, 1, tzinfo=UTC) <= read < _LATEST:
        raise InvalidFields.of([Violation(field, "must be a time from 1970 to 8999")])
    return read


def _missing(field: str) -> datetime:
    raise InvalidFields.of([Violation(field, "must be given")])
