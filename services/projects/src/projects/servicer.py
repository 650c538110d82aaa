"""neoforge.projects.v1.ProjectsService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection, Database
from chassis.errors import InvalidFields, LimitReached, VersionMismatch, Violation
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from chassis.webhooks.management import Webhooks
from neoforge.projects.v1 import projects_pb2 as pb
from neoforge.projects.v1 import projects_pb2_grpc
from projects import convert, store
from projects.errors import MemberNotFound, ProjectNotFound, RoleTooLow
from projects.model import MAX_MEMBERS, Project, Role
from projects.webhooks import events


class ProjectsServicer(projects_pb2_grpc.ProjectsServiceServicer):
    """Answers the calls of ProjectsService from PostgreSQL."""

    def __init__(self, database: Database, idempotency: Idempotency, cursors: Cursors, webhooks: Webhooks) -> None:
        self._database = database
        self._idempotency = idempotency
        self._cursors = cursors
        self._webhooks = webhooks

    @allow(SIGNED_IN)
    async def CreateProject(self, request: pb.CreateProjectRequest, context: Any) -> pb.CreateProjectResponse:
        project = Project.new(
            id=uuid7(),
            owner_id=calls.current().person,
            now=datetime.now(UTC),
            slug=request.slug,
            name=request.name,
            description=request.description,
            visibility=convert.visibility(request),
            labels=tuple(request.labels),
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateProjectResponse)
            if earlier:
                return earlier
            await store.insert(tx, project)
            await self._webhooks.announce(tx, project.owner_id, events.created(project))
            reply = pb.CreateProjectResponse(project=convert.project_proto(project))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def GetProject(self, request: pb.GetProjectRequest, context: Any) -> pb.GetProjectResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.connection() as connection:
            if request.unless_version and await store.get_version(connection, id_, person) == request.unless_version:
                return pb.GetProjectResponse(unchanged_version=request.unless_version)
            found = await store.get(connection, id_, person)
        if found is None:
            raise ProjectNotFound
        return pb.GetProjectResponse(project=convert.project_proto(found[0]))

    @allow(SIGNED_IN)
    async def ListProjects(self, request: pb.ListProjectsRequest, context: Any) -> pb.ListProjectsResponse:
        person = calls.current().person
        wanted, order = convert.wanted(request)
        scope = f"projects {person} {order.name} {wanted!r}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await store.page(connection, wanted, person, order, page_request, self._cursors, scope)
        return pb.ListProjectsResponse(projects=map(convert.project_proto, page.rows), page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Any) -> pb.UpdateProjectResponse:
        id_, person = parse_uuid(request.project.id, "project.id"), calls.current().person
        changes = convert.changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateProjectResponse)
            if earlier:
                return earlier
            project, role = await self._for_change(tx, id_, person)
            if not (role and role.may_change):
                raise RoleTooLow("maintainer")
            VersionMismatch.check("project", request.expected_version, project.version)
            changed = project.changed(changes, datetime.now(UTC))
            if changed is not project:
                if not await store.update(tx, changed):
                    raise VersionMismatch.of("project", project.version, project.version + 1)
                await self._webhooks.announce(tx, project.owner_id, events.changed(project, changed))
            reply = pb.UpdateProjectResponse(project=convert.project_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Any) -> pb.DeleteProjectResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteProjectResponse)
            if earlier:
                return earlier
            project = await self._owned(tx, id_, person)
            VersionMismatch.check("project", request.expected_version, project.version)
            await store.delete(tx, id_)
            await self._webhooks.announce(tx, project.owner_id, events.deleted(project, datetime.now(UTC)))
            return await self._idempotency.record(tx, pb.DeleteProjectResponse())

    @allow(SIGNED_IN)
    async def ListMembers(self, request: pb.ListMembersRequest, context: Any) -> pb.ListMembersResponse:
        id_, person = parse_uuid(request.project_id, "project_id"), calls.current().person
        async with self._database.connection() as connection:
            found = await store.get(connection, id_, person)
            if found is None:
                raise ProjectNotFound
            project, role = found
            if role is None:
                raise RoleTooLow("viewer")
            members = await store.list_members(connection, project)
        return pb.ListMembersResponse(members=map(convert.member_proto, members))

    @allow(SIGNED_IN)
    async def SetMember(self, request: pb.SetMemberRequest, context: Any) -> pb.SetMemberResponse:
        id_, person = parse_uuid(request.project_id, "project_id"), calls.current().person
        user_id, role = parse_uuid(request.user_id, "user_id"), convert.member_role(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.SetMemberResponse)
            if earlier:
                return earlier
            project = await self._owned(tx, id_, person)
            if user_id == project.owner_id:
                raise InvalidFields.of([Violation("user_id", "is the owner, whose role stays")])
            now = datetime.now(UTC)
            member = await store.set_member(tx, id_, user_id, role, now)
            if member.created_at == now:  # else they were one before, with some role
                if await store.count_members(tx, id_) > MAX_MEMBERS:
                    raise LimitReached(f"a project has at most {MAX_MEMBERS} members")
                await self._webhooks.announce(tx, project.owner_id, events.member_added(project, member))
            reply = pb.SetMemberResponse(member=convert.member_proto(member))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Any) -> pb.RemoveMemberResponse:
        id_, person = parse_uuid(request.project_id, "project_id"), calls.current().person
        user_id = parse_uuid(request.user_id, "user_id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.RemoveMemberResponse)
            if earlier:
                return earlier
            project, role = await self._for_change(tx, id_, person)
            if role is not Role.OWNER and user_id != person:
                raise RoleTooLow("owner")
            if user_id == project.owner_id:
                raise InvalidFields.of([Violation("user_id", "is the owner, who cannot leave")])
            if not await store.remove_member(tx, id_, user_id):
                raise MemberNotFound
            removed = events.member_removed(project, user_id, datetime.now(UTC))
            await self._webhooks.announce(tx, project.owner_id, removed)
            return await self._idempotency.record(tx, pb.RemoveMemberResponse())

    async def _for_change(self, tx: Connection, id_: UUID, person: UUID) -> tuple[Project, Role | None]:
        found = await store.get_for_change(tx, id_, person)
        if found is None:
            raise ProjectNotFound
        return found

    async def _owned(self, tx: Connection, id_: UUID, person: UUID) -> Project:
        project, role = await self._for_change(tx, id_, person)
        if role is not Role.OWNER:
            raise RoleTooLow("owner")
        return project
