"""The status page's messages in the shape of Atlassian Statuspage's public API."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from gateway.moments import rfc3339
from gateway.routes.status_json import IMPACT_NAMES, INDICATOR_NAMES, PHASE_NAMES, PROGRESS_NAMES, STATUS_NAMES
from neoforge.status.v1 import components_pb2, incidents_pb2, maintenances_pb2
from neoforge.status.v1 import page_pb2 as pb

_PAGE_ID: Final = "neoforge"
_NEVER: Final = "1970-01-01T00:00:00.000000Z"
_THEIR_STATUS: Final = {
    "operational": "operational",
    "degraded": "degraded_performance",
    "partial_outage": "partial_outage",
    "major_outage": "major_outage",
    "maintenance": "under_maintenance",
}
_Update: TypeAlias = tuple[str, str, str, str, list[dict[str, Any]]]
"""An update: its id, status and text, when, and what it made of components."""

_WORST_FIRST: Final = ("major_outage", "partial_outage", "degraded", "maintenance", "operational")


def page_of(page: pb.GetPageResponse, public_url: str) -> dict[str, Any]:
    """Write what every answer begins with."""
    return {
        "id": _PAGE_ID,
        "name": "NeoForge",
        "url": public_url,
        "time_zone": "Etc/UTC",
        "updated_at": _moment(page, "updated_at") or _NEVER,
    }


def status_of(page: pb.GetPageResponse) -> dict[str, Any]:
    """Write how everything fares."""
    return {"indicator": INDICATOR_NAMES[page.indicator], "description": page.description}


def components_of(page: pb.GetPageResponse) -> list[dict[str, Any]]:
    """Write the components, and the groups, which to them are components that have others."""
    members: dict[str, list[components_pb2.ComponentState]] = {}
    for state in page.components:
        members.setdefault(state.component.group_id, []).append(state)
    written = [_group(group, members.get(group.id, []), i) for i, group in enumerate(page.groups, 1)]
    return written + [_component(state, i) for i, state in enumerate(page.components, 1)]


def incident_of(incident: incidents_pb2.Incident, page: pb.GetPageResponse) -> dict[str, Any]:
    """Write an incident."""
    names = {state.component.id: state.component.name for state in page.components}
    return _happening(
        incident.id,
        incident.title,
        PROGRESS_NAMES[incident.status],
        IMPACT_NAMES[incident.impact],
        updates=[
            (
                update.id,
                PROGRESS_NAMES[update.status],
                update.body,
                rfc3339(update.created_at),
                [_turn(turn, names) for turn in update.turns],
            )
            for update in incident.updates
        ],
        components=_named(incident.component_ids, page),
        created_at=rfc3339(incident.created_at),
        updated_at=rfc3339(incident.updated_at),
        started_at=rfc3339(incident.created_at),
        monitoring_at=_moment(incident, "monitoring_at"),
        resolved_at=_moment(incident, "resolved_at"),
    )


def maintenance_of(window: maintenances_pb2.Maintenance, page: pb.GetPageResponse) -> dict[str, Any]:
    """Write a window of maintenance."""
    status = PHASE_NAMES[window.status]
    updates = _turns(window, status)
    return _happening(
        window.id,
        window.title,
        status,
        "maintenance",
        updates=updates,
        components=_named(window.component_ids, page),
        created_at=rfc3339(window.created_at),
        updated_at=max(rfc3339(window.updated_at), updates[0][3]),
        started_at=rfc3339(window.starts_at),
        monitoring_at=None,
        resolved_at=rfc3339(window.ends_at) if status == "completed" else None,
    ) | {"scheduled_for": rfc3339(window.starts_at), "scheduled_until": rfc3339(window.ends_at)}


def _turns(window: maintenances_pb2.Maintenance, status: str) -> list[_Update]:
    """Write how it was planned, opened and closed as updates, the newest first, each always under the same id."""
    created_at = rfc3339(window.created_at)
    turns = (
        ("scheduled", window.message or window.title, created_at),
        ("in_progress", "Scheduled maintenance is in progress.", max(created_at, rfc3339(window.starts_at))),
        ("completed", "The scheduled maintenance has been completed.", max(created_at, rfc3339(window.ends_at))),
    )
    gone_by = list(PHASE_NAMES.values()).index(status) + 1
    return [(str(uuid5(UUID(window.id), turn)), turn, body, at, []) for turn, body, at in reversed(turns[:gone_by])]


def _happening(
    id_: str,
    name: str,
    status: str,
    impact: str,
    *,
    updates: Iterable[_Update],
    components: list[dict[str, Any]],
    **moments: str | None,
) -> dict[str, Any]:
    return {
        "id": id_,
        "name": name,
        "status": status,
        "impact": impact,
        **moments,
        "shortlink": None,
        "page_id": _PAGE_ID,
        "incident_updates": [
            {
                "id": update_id,
                "incident_id": id_,
                "status": update_status,
                "body": body,
                "created_at": at,
                "updated_at": at,
                "display_at": at,
                "affected_components": affected or None,
                "deliver_notifications": True,
                "custom_tweet": None,
                "tweet_id": None,
            }
            for update_id, update_status, body, at, affected in updates
        ],
        "components": components,
        "reminder_intervals": None,
    }


def _turn(turn: incidents_pb2.Turn, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "code": turn.component_id,
        "name": names.get(turn.component_id),
        "old_status": _THEIR_STATUS[STATUS_NAMES[turn.before]],
        "new_status": _THEIR_STATUS[STATUS_NAMES[turn.after]],
    }


def _named(ids: Iterable[str], page: pb.GetPageResponse) -> list[dict[str, Any]]:
    known = {state.component.id: (state, i) for i, state in enumerate(page.components, 1)}
    return [_component(*known[id_]) for id_ in ids if id_ in known]


def _component(state: components_pb2.ComponentState, position: int) -> dict[str, Any]:
    component = state.component
    return {
        "id": component.id,
        "name": component.name,
        "status": _THEIR_STATUS[STATUS_NAMES[state.status]],
        "created_at": rfc3339(component.created_at),
        "updated_at": max(rfc3339(component.updated_at), rfc3339(state.since)),
        "position": position,
        "description": component.description or None,
        "showcase": True,
        "start_date": rfc3339(component.created_at)[:10],
        "group_id": component.group_id or None,
        "page_id": _PAGE_ID,
        "group": False,
        "only_show_if_degraded": False,
    }


def _group(group: components_pb2.Group, members: list[components_pb2.ComponentState], position: int) -> dict[str, Any]:
    statuses = {STATUS_NAMES[state.status] for state in members} or {"operational"}
    return {
        "id": group.id,
        "name": group.name,
        "status": _THEIR_STATUS[next(status for status in _WORST_FIRST if status in statuses)],
        "created_at": rfc3339(group.created_at),
        "updated_at": max([rfc3339(group.updated_at), *(rfc3339(state.since) for state in members)]),
        "position": position,
        "description": None,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "page_id": _PAGE_ID,
        "group": True,
        "only_show_if_degraded": False,
        "components": [state.component.id for state in members],
    }


def _moment(message: Any, name: str) -> str | None:
    return rfc3339(getattr(message, name)) if message.HasField(name) else None
