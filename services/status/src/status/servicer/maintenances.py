"""neoforge.status.v1.MaintenanceService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.access import ANYONE, allow
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection, Database
from chassis.errors import InvalidFields, VersionMismatch, Violation
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.status.v1 import maintenances_pb2 as pb
from neoforge.status.v1 import maintenances_pb2_grpc
from status import convert
from status.errors import MaintenanceNotFound
from status.model.maintenances import Phase, Window
from status.records import Records
from status.servicer.events import REPORTERS
from status.servicer.scope import scope_of
from status.store import components, maintenances


class MaintenanceServicer(maintenances_pb2_grpc.MaintenanceServiceServicer):
    """Answers the calls of MaintenanceService from PostgreSQL; `now` tells the time, and that opens and closes."""

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
    async def CreateMaintenance(
        self, request: pb.CreateMaintenanceRequest, context: Any
    ) -> pb.CreateMaintenanceResponse:
        now = self._now()
        window = Window.planned(
            id=uuid7(),
            now=now,
            title=request.title,
            message=request.message,
            component_ids=convert.uuids(request.component_ids, "component_ids"),
            starts_at=convert.moment(request.starts_at, "starts_at"),
            ends_at=convert.moment(request.ends_at, "ends_at"),
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateMaintenanceResponse)
            if earlier:
                return earlier
            await _check_known(tx, window.component_ids)
            await maintenances.insert(tx, window)
            if window.phase(now) is not Phase.COMPLETED:
                await self._records.planned(tx, window, now)
            reply = pb.CreateMaintenanceResponse(maintenance=convert.window_proto(window, now))
            return await self._idempotency.record(tx, reply)

    @allow(ANYONE)
    async def GetMaintenance(self, request: pb.GetMaintenanceRequest, context: Any) -> pb.GetMaintenanceResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.connection() as connection:
            window = await maintenances.get(connection, id_)
        if window is None:
            raise MaintenanceNotFound
        return pb.GetMaintenanceResponse(maintenance=convert.window_proto(window, self._now()))

    @allow(ANYONE)
    async def ListMaintenances(self, request: pb.ListMaintenancesRequest, context: Any) -> pb.ListMaintenancesResponse:
        phase, now = convert.phase(request.status), self._now()
        scope = scope_of("maintenances", phase)
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await maintenances.page(connection, phase, now, page_request, self._cursors, scope)
        shown = [convert.window_proto(window, now) for window in page.rows]
        return pb.ListMaintenancesResponse(maintenances=shown, page=page_proto(page))

    @allow(REPORTERS)
    async def UpdateMaintenance(
        self, request: pb.UpdateMaintenanceRequest, context: Any
    ) -> pb.UpdateMaintenanceResponse:
        id_, changes = parse_uuid(request.maintenance.id, "maintenance.id"), convert.window_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateMaintenanceResponse)
            if earlier:
                return earlier
            window, now = await self._expected(tx, id_, request.expected_version)
            changed = window.changed(changes, now)
            if changed is not window:
                if changed.component_ids != window.component_ids:
                    await _check_known(tx, changed.component_ids)
                await maintenances.update(tx, changed)
            reply = pb.UpdateMaintenanceResponse(maintenance=convert.window_proto(changed, now))
            return await self._idempotency.record(tx, reply)

    @allow(REPORTERS)
    async def DeleteMaintenance(
        self, request: pb.DeleteMaintenanceRequest, context: Any
    ) -> pb.DeleteMaintenanceResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteMaintenanceResponse)
            if earlier:
                return earlier
            await self._expected(tx, id_, request.expected_version)
            await maintenances.delete(tx, id_)
            return await self._idempotency.record(tx, pb.DeleteMaintenanceResponse())

    async def _expected(self, tx: Connection, id_: UUID, version: int) -> tuple[Window, datetime]:
        window = await maintenances.get_for_change(tx, id_)
        if window is None:
            raise MaintenanceNotFound
        now = self._now()
        VersionMismatch.check("maintenance", version, window.version_at(now))
        return window, now


async def _check_known(tx: Connection, ids: tuple[UUID, ...]) -> None:
    unknown = await components.unknown(tx, ids)
    if unknown:
        raise InvalidFields.of([Violation(f"component_ids[{ids.index(id_)}]", "is no component") for id_ in unknown])
