"""The status page's messages as JSON, and the names of what they hold."""

from typing import Any, Final

from gateway.moments import rfc3339
from neoforge.status.v1 import components_pb2, events_pb2, incidents_pb2, maintenances_pb2, page_pb2, subscribers_pb2

STATUS: Final = {
    "operational": components_pb2.COMPONENT_STATUS_OPERATIONAL,
    "degraded": components_pb2.COMPONENT_STATUS_DEGRADED,
    "partial_outage": components_pb2.COMPONENT_STATUS_PARTIAL_OUTAGE,
    "major_outage": components_pb2.COMPONENT_STATUS_MAJOR_OUTAGE,
    "maintenance": components_pb2.COMPONENT_STATUS_MAINTENANCE,
}
PROGRESS: Final = {
    "investigating": incidents_pb2.INCIDENT_STATUS_INVESTIGATING,
    "identified": incidents_pb2.INCIDENT_STATUS_IDENTIFIED,
    "monitoring": incidents_pb2.INCIDENT_STATUS_MONITORING,
    "resolved": incidents_pb2.INCIDENT_STATUS_RESOLVED,
}
IMPACT: Final = {
    "none": incidents_pb2.IMPACT_NONE,
    "minor": incidents_pb2.IMPACT_MINOR,
    "major": incidents_pb2.IMPACT_MAJOR,
    "critical": incidents_pb2.IMPACT_CRITICAL,
}
PHASE: Final = {
    "scheduled": maintenances_pb2.MAINTENANCE_STATUS_SCHEDULED,
    "in_progress": maintenances_pb2.MAINTENANCE_STATUS_IN_PROGRESS,
    "completed": maintenances_pb2.MAINTENANCE_STATUS_COMPLETED,
}
STATUS_NAMES: Final = {number: name for name, number in STATUS.items()}
PROGRESS_NAMES: Final = {number: name for name, number in PROGRESS.items()}
IMPACT_NAMES: Final = {number: name for name, number in IMPACT.items()}
PHASE_NAMES: Final = {number: name for name, number in PHASE.items()}
INDICATOR_NAMES: Final = {
    page_pb2.INDICATOR_NONE: "none",
    page_pb2.INDICATOR_MAINTENANCE: "maintenance",
    page_pb2.INDICATOR_MINOR: "minor",
    page_pb2.INDICATOR_MAJOR: "major",
    page_pb2.INDICATOR_CRITICAL: "critical",
}
_SOURCE_NAMES: Final = {
    events_pb2.EVENT_SOURCE_PERSON: "person",
    events_pb2.EVENT_SOURCE_PROBER: "prober",
    events_pb2.EVENT_SOURCE_SYSTEM: "system",
}
FRESH: Final[dict[str, Any]] = {"stale": False, "as_of": None}
"""What an answer says of its age when it is new; see lastgood.py for when it is not."""


def component_json(component: components_pb2.Component) -> dict[str, Any]:
    """Write a component."""
    return {
        "id": component.id,
        "slug": component.slug,
        "name": component.name,
        "description": component.description,
        "group_id": component.group_id or None,
        "position": component.position,
        "created_at": rfc3339(component.created_at),
        "updated_at": rfc3339(component.updated_at),
        "version": component.version,
    }


def state_json(state: components_pb2.ComponentState) -> dict[str, Any]:
    """Write a component and how it fares."""
    return component_json(state.component) | {
        "status": STATUS_NAMES[state.status],
        "status_since": rfc3339(state.since),
        "message": state.message,
    }


def group_json(group: components_pb2.Group) -> dict[str, Any]:
    """Write a group."""
    return {
        "id": group.id,
        "name": group.name,
        "position": group.position,
        "created_at": rfc3339(group.created_at),
        "updated_at": rfc3339(group.updated_at),
        "version": group.version,
    }


def event_json(event: events_pb2.Event) -> dict[str, Any]:
    """Write an event."""
    return {
        "id": event.id,
        "component_id": event.component_id,
        "status": STATUS_NAMES[event.status],
        "message": event.message,
        "source": _SOURCE_NAMES[event.source],
        "incident_id": event.incident_id or None,
        "created_at": rfc3339(event.created_at),
    }


def incident_json(incident: incidents_pb2.Incident) -> dict[str, Any]:
    """Write an incident."""
    return {
        "id": incident.id,
        "title": incident.title,
        "status": PROGRESS_NAMES[incident.status],
        "impact": IMPACT_NAMES[incident.impact],
        "component_ids": list(incident.component_ids),
        "updates": [
            {
                "id": update.id,
                "status": PROGRESS_NAMES[update.status],
                "body": update.body,
                "created_at": rfc3339(update.created_at),
            }
            for update in incident.updates
        ],
        "created_at": rfc3339(incident.created_at),
        "updated_at": rfc3339(incident.updated_at),
        "monitoring_at": rfc3339(incident.monitoring_at) if incident.HasField("monitoring_at") else None,
        "resolved_at": rfc3339(incident.resolved_at) if incident.HasField("resolved_at") else None,
        "version": incident.version,
    }


def maintenance_json(window: maintenances_pb2.Maintenance) -> dict[str, Any]:
    """Write a window."""
    return {
        "id": window.id,
        "title": window.title,
        "message": window.message,
        "component_ids": list(window.component_ids),
        "starts_at": rfc3339(window.starts_at),
        "ends_at": rfc3339(window.ends_at),
        "status": PHASE_NAMES[window.status],
        "created_at": rfc3339(window.created_at),
        "updated_at": rfc3339(window.updated_at),
        "version": window.version,
    }


def page_json(page: page_pb2.GetPageResponse) -> dict[str, Any]:
    """Write the page."""
    return {
        "indicator": INDICATOR_NAMES[page.indicator],
        "description": page.description,
        "groups": [group_json(group) for group in page.groups],
        "components": [state_json(state) for state in page.components],
        "incidents": [incident_json(incident) for incident in page.incidents],
        "maintenances": [maintenance_json(window) for window in page.maintenances],
        "updated_at": rfc3339(page.updated_at) if page.HasField("updated_at") else None,
    }


def uptime_json(component: page_pb2.ComponentUptime) -> dict[str, Any]:
    """Write the days of a component."""
    return {
        "component_id": component.component_id,
        "uptime": component.uptime if component.HasField("uptime") else None,
        "days": [
            {
                "date": day.date,
                "uptime": day.uptime if day.HasField("uptime") else None,
                "seconds": {
                    "operational": day.operational_s,
                    "degraded": day.degraded_s,
                    "partial_outage": day.partial_outage_s,
                    "major_outage": day.major_outage_s,
                    "maintenance": day.maintenance_s,
                    "no_data": day.no_data_s,
                },
            }
            for day in component.days
        ],
    }


def subscriber_json(subscriber: subscribers_pb2.Subscriber) -> dict[str, Any]:
    """Write a mail subscriber."""
    return {
        "id": subscriber.id,
        "email": subscriber.email,
        "language": subscriber.language,
        "created_at": rfc3339(subscriber.created_at),
        "confirmed_at": rfc3339(subscriber.confirmed_at) if subscriber.HasField("confirmed_at") else None,
    }
