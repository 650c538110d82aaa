"""neoforge.status.v1.IncidentService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import ANYONE, allow
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection, Database
from chassis.errors import InvalidFields, VersionMismatch, Violation
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.status.v1 import incidents_pb2 as pb
from neoforge.status.v1 import incidents_pb2_grpc
from status import convert
from status.errors import IncidentNotFound
from status.model.incidents import Affected, Impact, Incident, Progress, Update
from status.records import Records
from status.servicer.events import REPORTERS
from status.servicer.scope import scope_of
from status.store import components, incidents


class IncidentServicer(incidents_pb2_grpc.IncidentServiceServicer):
    """Answers the calls of IncidentService from PostgreSQL; `now` tells the time."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        cursors: Cursors,
        records: Records,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._cursors = cursors
        self._records = records
        self._now = now

    @allow(REPORTERS)
    async def CreateIncident(self, request: pb.CreateIncidentRequest, context: Any) -> pb.CreateIncidentResponse:
        affected, person, now = convert.affected(request.components), calls.current().person, self._now()
        status = convert.progress(request.status) or Progress.INVESTIGATING
        incident = Incident.opened(
            id=uuid7(),
            title=request.title,
            impact=convert.impact(request.impact) or Impact.MINOR,
            affected=affected,
            first=Update(uuid7(), status, request.body, person, now),
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateIncidentResponse)
            if earlier:
                return earlier
            await _check_known(tx, affected)
            incident = incident.with_turns(await self._records.affected(tx, affected, incident, person, now))
            await incidents.insert(tx, incident)
            await self._records.told(tx, incident)
            reply = pb.CreateIncidentResponse(incident=convert.incident_proto(incident))
            return await self._idempotency.record(tx, reply)

    @allow(ANYONE)
    async def GetIncident(self, request: pb.GetIncidentRequest, context: Any) -> pb.GetIncidentResponse:
        id_, known = parse_uuid(request.id, "id"), request.unless_version
        async with self._database.connection() as connection:
            if known and await incidents.get_version(connection, id_) == known:
                return pb.GetIncidentResponse(unchanged_version=known)
            incident = await incidents.get(connection, id_)
        if incident is None:
            raise IncidentNotFound
        return pb.GetIncidentResponse(incident=convert.incident_proto(incident))

    @allow(ANYONE)
    async def ListIncidents(self, request: pb.ListIncidentsRequest, context: Any) -> pb.ListIncidentsResponse:
        wanted = request.open, convert.progress(request.status), convert.impact(request.impact)
        scope = scope_of("incidents", *wanted)
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await incidents.page(connection, wanted, page_request, self._cursors, scope)
        return pb.ListIncidentsResponse(incidents=map(convert.incident_proto, page.rows), page=page_proto(page))

    @allow(REPORTERS)
    async def UpdateIncident(self, request: pb.UpdateIncidentRequest, context: Any) -> pb.UpdateIncidentResponse:
        id_, changes = parse_uuid(request.incident.id, "incident.id"), convert.incident_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateIncidentResponse)
            if earlier:
                return earlier
            incident = await incidents.get_for_change(tx, id_)
            if incident is None:
                raise IncidentNotFound
            VersionMismatch.check("incident", request.expected_version, incident.version)
            changed = incident.changed(changes, self._now())
            if changed is not incident:
                await incidents.update(tx, changed)
            reply = pb.UpdateIncidentResponse(incident=convert.incident_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(REPORTERS)
    async def CreateIncidentUpdate(
        self, request: pb.CreateIncidentUpdateRequest, context: Any
    ) -> pb.CreateIncidentUpdateResponse:
        id_, person = parse_uuid(request.incident_id, "incident_id"), calls.current().person
        status, affected = convert.progress(request.status), convert.affected(request.components)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateIncidentUpdateResponse)
            if earlier:
                return earlier
            incident = await incidents.get_for_change(tx, id_)
            if incident is None:
                raise IncidentNotFound
            VersionMismatch.check("incident", request.expected_version, incident.version)
            now = self._now()
            update = Update(uuid7(), status or incident.status, request.body, person, now)
            told = incident.told(update, affected)
            await _check_known(tx, affected)
            told = told.with_turns(await self._records.affected(tx, affected, told, person, now))
            await incidents.update(tx, told, told.updates[0])
            await self._records.told(tx, told)
            reply = pb.CreateIncidentUpdateResponse(incident=convert.incident_proto(told))
            return await self._idempotency.record(tx, reply)


async def _check_known(tx: Connection, affected: tuple[Affected, ...]) -> None:
    ids = [one.component_id for one in affected]
    unknown = await components.unknown(tx, ids)
    if unknown:
        raise InvalidFields.of(
            [Violation(f"components[{ids.index(id_)}].component_id", "is no component") for id_ in unknown]
        )
