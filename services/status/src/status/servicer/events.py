"""neoforge.status.v1.EventService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from chassis import call as calls
from chassis.access import ANYONE, allow, with_role
from chassis.convert import needed, page_proto, parse_uuid
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.status.v1 import events_pb2 as pb
from neoforge.status.v1 import events_pb2_grpc
from status import convert
from status.errors import EventNotFound
from status.records import Records
from status.servicer.scope import scope_of
from status.store import components

REPORTERS = with_role("agent", "admin")


class EventServicer(events_pb2_grpc.EventServiceServicer):
    """Answers the calls of EventService from PostgreSQL; `now` tells the time."""

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
    async def CreateEvent(self, request: pb.CreateEventRequest, context: Any) -> pb.CreateEventResponse:
        component_id = parse_uuid(request.component_id, "component_id")
        status = needed(convert.status(request.status), "status")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateEventResponse)
            if earlier:
                return earlier
            event = await self._records.event(
                tx, component_id, status, self._now(), message=request.message, created_by=calls.current().person
            )
            return await self._idempotency.record(tx, pb.CreateEventResponse(event=convert.event_proto(event)))

    @allow(ANYONE)
    async def GetEvent(self, request: pb.GetEventRequest, context: Any) -> pb.GetEventResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.connection() as connection:
            event = await components.get_event(connection, id_)
        if event is None:
            raise EventNotFound
        return pb.GetEventResponse(event=convert.event_proto(event))

    @allow(ANYONE)
    async def ListEvents(self, request: pb.ListEventsRequest, context: Any) -> pb.ListEventsResponse:
        component_id = convert.optional_uuid(request.component_id, "component_id")
        status = convert.status(request.status)
        scope = scope_of("events", component_id, status)
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await components.events_page(connection, component_id, status, page_request, self._cursors, scope)
        return pb.ListEventsResponse(events=map(convert.event_proto, page.rows), page=page_proto(page))
