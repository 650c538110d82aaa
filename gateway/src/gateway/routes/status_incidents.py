"""Incidents, their updates and planned maintenance: read by anyone, written by agents and admins."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind
from gateway.moments import timestamp
from gateway.operations import Operations
from gateway.representation import Answer
from gateway.routes import status_models as models
from gateway.routes.status_components import listed
from gateway.routes.status_json import IMPACT, PHASE, PROGRESS, STATUS, incident_json, maintenance_json
from gateway.routes.status_page import ROOT, public_read, stubs
from neoforge.status.v1 import components_pb2, maintenances_pb2
from neoforge.status.v1 import incidents_pb2 as pb

incidents: Final = Operations("status")
maintenances: Final = Operations("status")

_INCIDENTS: Final = ROOT + "/incidents"
_INCIDENT: Final = _INCIDENTS + "/{incident_id:id}"
_MAINTENANCES: Final = ROOT + "/maintenances"
_MAINTENANCE: Final = _MAINTENANCES + "/{maintenance_id:id}"

IncidentId = Annotated[str, Path(description="The incident's id.", json_schema_extra={"format": "uuid"})]
MaintenanceId = Annotated[str, Path(description="The window's id.", json_schema_extra={"format": "uuid"})]
IncidentPatch = Annotated[models.IncidentChanges, Body(media_type="application/merge-patch+json")]
MaintenancePatch = Annotated[models.MaintenanceChanges, Body(media_type="application/merge-patch+json")]


@incidents.serve(_INCIDENTS, public_read(models.PublicPage[models.Incident], has_cursor=True))
async def list_incidents(call: Call, query: Annotated[models.IncidentQuery, Query()]) -> Answer:
    """List incidents, the newest first."""
    request = pb.ListIncidentsRequest(
        open=query.open == "true",
        status=PROGRESS[query.status] if query.status else pb.INCIDENT_STATUS_UNSPECIFIED,
        impact=IMPACT[query.impact] if query.impact else pb.IMPACT_UNSPECIFIED,
        page_size=query.page_size,
        page=query.page or 0,
        cursor=query.cursor or "",
    )
    reply = (await call.ask(stubs(call).incidents.ListIncidents, request)).message
    return listed([incident_json(incident) for incident in reply.incidents], reply.page, _INCIDENTS, query)


@incidents.serve(
    _INCIDENTS,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Incident,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("FORBIDDEN",),
    ),
)
async def create_incident(call: Call, body: models.NewIncident) -> Answer:
    """Open an incident with its first update; for agents and admins. Subscribers are told."""
    request = pb.CreateIncidentRequest(
        title=body.title,
        impact=IMPACT[body.impact],
        status=PROGRESS[body.status],
        body=body.body,
        components=_affected(body.components),
    )
    reply = await call.ask(stubs(call).incidents.CreateIncident, request)
    incident = reply.message.incident
    return Answer(
        to_json(incident_json(incident)),
        tag=str(incident.version),
        status=HTTPStatus.CREATED,
        location=f"{_INCIDENTS}/{incident.id}",
        replayed=reply.replayed,
    )


@incidents.serve(_INCIDENT, Declaration(Kind.READ, "GET", models.Incident, public=True, outlives_service=True))
async def get_incident(call: Call, incident_id: IncidentId) -> Answer:
    """Read one incident with all its updates."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    request = pb.GetIncidentRequest(id=incident_id, unless_version=known)
    reply = (await call.ask(stubs(call).incidents.GetIncident, request)).message
    if reply.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.unchanged_version), unchanged=True)
    return Answer(to_json(incident_json(reply.incident)), tag=str(reply.incident.version))


@incidents.serve(
    _INCIDENT,
    Declaration(
        Kind.CHANGE, "PATCH", models.Incident, key=Key.OPTIONAL, media_types=MERGE_PATCH, if_match_required=True
    ),
)
async def update_incident(call: Call, incident_id: IncidentId, body: IncidentPatch) -> Answer:
    """Correct an incident's title or impact, as a JSON merge patch (RFC 7396); for agents and admins."""
    request = pb.UpdateIncidentRequest(
        incident=pb.Incident(id=incident_id, title=body.title, impact=IMPACT[body.impact]),
        update_mask=FieldMask(paths=sorted(body.model_fields_set)),
        expected_version=await _expected(call, incident_id),
    )
    reply = await call.ask(stubs(call).incidents.UpdateIncident, request)
    incident = reply.message.incident
    return Answer(to_json(incident_json(incident)), tag=str(incident.version), replayed=reply.replayed)


@incidents.serve(
    _INCIDENT + "/updates",
    Declaration(
        Kind.CHANGE,
        "POST",
        models.Incident,
        key=Key.REQUIRED,
        conflicts=("ILLEGAL_MOVE", "LIMIT_REACHED"),
    ),
)
async def create_incident_update(call: Call, incident_id: IncidentId, body: models.NewIncidentUpdate) -> Answer:
    """Tell what is new of an incident, and where the work stands; for agents and admins. Subscribers are told."""
    request = pb.CreateIncidentUpdateRequest(
        incident_id=incident_id,
        status=PROGRESS[body.status] if body.status else pb.INCIDENT_STATUS_UNSPECIFIED,
        body=body.body,
        components=_affected(body.components),
        expected_version=await _expected(call, incident_id),
    )
    reply = await call.ask(stubs(call).incidents.CreateIncidentUpdate, request)
    incident = reply.message.incident
    return Answer(to_json(incident_json(incident)), tag=str(incident.version), replayed=reply.replayed)


def _affected(components: list[models.AffectedComponent]) -> list[pb.AffectedComponent]:
    return [
        pb.AffectedComponent(
            component_id=one.component_id,
            status=STATUS[one.status] if one.status else components_pb2.COMPONENT_STATUS_UNSPECIFIED,
        )
        for one in components
    ]


async def _expected(call: Call, incident_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(stubs(call).incidents.GetIncident, pb.GetIncidentRequest(id=incident_id))
        return int(found.incident.version)

    return await call.preconditions.expected_version(current)


@maintenances.serve(_MAINTENANCES, public_read(models.PublicPage[models.Maintenance], has_cursor=True))
async def list_maintenances(call: Call, query: Annotated[models.MaintenanceQuery, Query()]) -> Answer:
    """List windows of maintenance, the latest start first."""
    request = maintenances_pb2.ListMaintenancesRequest(
        status=PHASE[query.status] if query.status else maintenances_pb2.MAINTENANCE_STATUS_UNSPECIFIED,
        page_size=query.page_size,
        page=query.page or 0,
        cursor=query.cursor or "",
    )
    reply = (await call.ask(stubs(call).maintenances.ListMaintenances, request)).message
    return listed([maintenance_json(window) for window in reply.maintenances], reply.page, _MAINTENANCES, query)


@maintenances.serve(
    _MAINTENANCES,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Maintenance,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        conflicts=("FORBIDDEN",),
    ),
)
async def create_maintenance(call: Call, body: models.NewMaintenance) -> Answer:
    """Plan a window of maintenance, or record one that has begun; for agents and admins. Subscribers are told."""
    request = maintenances_pb2.CreateMaintenanceRequest(
        title=body.title,
        message=body.message,
        component_ids=body.component_ids,
        starts_at=timestamp(body.starts_at),
        ends_at=timestamp(body.ends_at),
    )
    reply = await call.ask(stubs(call).maintenances.CreateMaintenance, request)
    window = reply.message.maintenance
    return Answer(
        to_json(maintenance_json(window)),
        tag=str(window.version),
        status=HTTPStatus.CREATED,
        location=f"{_MAINTENANCES}/{window.id}",
        replayed=reply.replayed,
    )


@maintenances.serve(_MAINTENANCE, Declaration(Kind.READ, "GET", models.Maintenance, public=True, outlives_service=True))
async def get_maintenance(call: Call, maintenance_id: MaintenanceId) -> Answer:
    """Read one window of maintenance."""
    request = maintenances_pb2.GetMaintenanceRequest(id=maintenance_id)
    window = (await call.ask(stubs(call).maintenances.GetMaintenance, request)).message.maintenance
    return Answer(to_json(maintenance_json(window)), tag=str(window.version))


@maintenances.serve(
    _MAINTENANCE,
    Declaration(
        Kind.CHANGE, "PATCH", models.Maintenance, key=Key.OPTIONAL, media_types=MERGE_PATCH, if_match_required=True
    ),
)
async def update_maintenance(call: Call, maintenance_id: MaintenanceId, body: MaintenancePatch) -> Answer:
    """Change a window, as a JSON merge patch (RFC 7396): its end, to close it sooner; for agents and admins."""
    changed = body.model_fields_set
    request = maintenances_pb2.UpdateMaintenanceRequest(
        maintenance=maintenances_pb2.Maintenance(
            id=maintenance_id,
            title=body.title,
            message=body.message or "",
            component_ids=body.component_ids or (),
            starts_at=timestamp(body.starts_at) if "starts_at" in changed else None,
            ends_at=timestamp(body.ends_at) if "ends_at" in changed else None,
        ),
        update_mask=FieldMask(paths=sorted(changed)),
        expected_version=await _expected_window(call, maintenance_id),
    )
    reply = await call.ask(stubs(call).maintenances.UpdateMaintenance, request)
    window = reply.message.maintenance
    return Answer(to_json(maintenance_json(window)), tag=str(window.version), replayed=reply.replayed)


@maintenances.serve(
    _MAINTENANCE,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, if_match_required=True),
)
async def delete_maintenance(call: Call, maintenance_id: MaintenanceId) -> Answer:
    """Call a window off: it is as if it had never been planned. For agents and admins."""
    request = maintenances_pb2.DeleteMaintenanceRequest(
        id=maintenance_id, expected_version=await _expected_window(call, maintenance_id)
    )
    reply = await call.ask(stubs(call).maintenances.DeleteMaintenance, request)
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


async def _expected_window(call: Call, maintenance_id: str) -> int:
    async def current() -> int:
        request = maintenances_pb2.GetMaintenanceRequest(id=maintenance_id)
        found = await call.look(stubs(call).maintenances.GetMaintenance, request)
        return int(found.maintenance.version)

    return await call.preconditions.expected_version(current)
