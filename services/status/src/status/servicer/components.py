"""neoforge.status.v1.ComponentService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import ANYONE, allow, with_role
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection, Database
from chassis.errors import LimitReached, VersionMismatch
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.status.v1 import components_pb2 as pb
from neoforge.status.v1 import components_pb2_grpc
from status import convert
from status.errors import ComponentNotFound, GroupNotFound
from status.model.components import MAX_COMPONENTS, MAX_GROUPS, Component, Group
from status.model.overall import state
from status.records import Records
from status.servicer.scope import scope_of
from status.store import components, maintenances

MANAGERS = with_role("admin")


class ComponentServicer(components_pb2_grpc.ComponentServiceServicer):
    """Answers the calls of ComponentService from PostgreSQL; `now` tells the time."""

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

    @allow(MANAGERS)
    async def CreateComponent(self, request: pb.CreateComponentRequest, context: Any) -> pb.CreateComponentResponse:
        component = Component.new(
            id=uuid7(),
            now=self._now(),
            slug=request.slug,
            name=request.name,
            description=request.description,
            group_id=convert.optional_uuid(request.group_id, "group_id"),
            position=request.position,
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateComponentResponse)
            if earlier:
                return earlier
            if await components.count(tx) >= MAX_COMPONENTS:
                raise LimitReached(f"there are at most {MAX_COMPONENTS} components")
            await self._records.created(tx, component, calls.current().person)
            reply = pb.CreateComponentResponse(component=convert.component_proto(component))
            return await self._idempotency.record(tx, reply)

    @allow(ANYONE)
    async def GetComponent(self, request: pb.GetComponentRequest, context: Any) -> pb.GetComponentResponse:
        id_, known = parse_uuid(request.id, "id"), request.unless_version
        async with self._database.connection() as connection:
            if known and await components.get_version(connection, id_) == known:
                return pb.GetComponentResponse(unchanged_version=known)
            component, now = await components.get(connection, id_), self._now()
            last = await components.last_event(connection, id_)
            windows = await maintenances.list_ahead(connection, now)
        if component is None or last is None:
            raise ComponentNotFound
        fares = state(component, last, windows, now)
        return pb.GetComponentResponse(component=convert.component_proto(component), state=convert.state_proto(fares))

    @allow(ANYONE)
    async def ListComponents(self, request: pb.ListComponentsRequest, context: Any) -> pb.ListComponentsResponse:
        group_id, now = convert.optional_uuid(request.group_id, "group_id"), self._now()
        scope = scope_of("components", group_id)
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await components.page(connection, group_id, page_request, self._cursors, scope)
            windows = await maintenances.list_ahead(connection, now)
        states = [convert.state_proto(state(component, last, windows, now)) for component, last in page.rows]
        return pb.ListComponentsResponse(components=states, page=page_proto(page))

    @allow(MANAGERS)
    async def UpdateComponent(self, request: pb.UpdateComponentRequest, context: Any) -> pb.UpdateComponentResponse:
        id_, changes = parse_uuid(request.component.id, "component.id"), convert.component_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateComponentResponse)
            if earlier:
                return earlier
            component = await _locked(tx, id_)
            VersionMismatch.check("component", request.expected_version, component.version)
            changed = component.changed(changes, self._now())
            if changed is not component:
                await components.update(tx, changed)
            reply = pb.UpdateComponentResponse(component=convert.component_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(MANAGERS)
    async def DeleteComponent(self, request: pb.DeleteComponentRequest, context: Any) -> pb.DeleteComponentResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteComponentResponse)
            if earlier:
                return earlier
            VersionMismatch.check("component", request.expected_version, (await _locked(tx, id_)).version)
            await components.delete(tx, id_)
            return await self._idempotency.record(tx, pb.DeleteComponentResponse())

    @allow(MANAGERS)
    async def CreateGroup(self, request: pb.CreateGroupRequest, context: Any) -> pb.CreateGroupResponse:
        group = Group.new(id=uuid7(), now=self._now(), name=request.name, position=request.position)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateGroupResponse)
            if earlier:
                return earlier
            if await components.count_groups(tx) >= MAX_GROUPS:
                raise LimitReached(f"there are at most {MAX_GROUPS} groups")
            await components.insert_group(tx, group)
            return await self._idempotency.record(tx, pb.CreateGroupResponse(group=convert.group_proto(group)))

    @allow(ANYONE)
    async def ListGroups(self, request: pb.ListGroupsRequest, context: Any) -> pb.ListGroupsResponse:
        async with self._database.connection() as connection:
            return pb.ListGroupsResponse(groups=map(convert.group_proto, await components.list_groups(connection)))

    @allow(MANAGERS)
    async def UpdateGroup(self, request: pb.UpdateGroupRequest, context: Any) -> pb.UpdateGroupResponse:
        id_, changes = parse_uuid(request.group.id, "group.id"), convert.group_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateGroupResponse)
            if earlier:
                return earlier
            group = await _locked_group(tx, id_)
            VersionMismatch.check("group", request.expected_version, group.version)
            changed = group.changed(changes, self._now())
            if changed is not group:
                await components.update_group(tx, changed)
            return await self._idempotency.record(tx, pb.UpdateGroupResponse(group=convert.group_proto(changed)))

    @allow(MANAGERS)
    async def DeleteGroup(self, request: pb.DeleteGroupRequest, context: Any) -> pb.DeleteGroupResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteGroupResponse)
            if earlier:
                return earlier
            VersionMismatch.check("group", request.expected_version, (await _locked_group(tx, id_)).version)
            await components.delete_group(tx, id_)
            return await self._idempotency.record(tx, pb.DeleteGroupResponse())


async def _locked(tx: Connection, id_: UUID) -> Component:
    component = await components.get_for_change(tx, id_)
    if component is None:
        raise ComponentNotFound
    return component


async def _locked_group(tx: Connection, id_: UUID) -> Group:
    group = await components.group_for_change(tx, id_)
    if group is None:
        raise GroupNotFound
    return group
