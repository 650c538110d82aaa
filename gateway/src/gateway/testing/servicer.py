"""A stand-in for the projects service: a real gRPC server whose store is a dictionary."""

import itertools
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import call as calls
from chassis.errors import (
    DETAILS_KEY,
    DomainError,
    Forbidden,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidFields,
    Kind,
    NotFound,
    VersionMismatch,
    Violation,
    to_status,
)
from chassis.identity import SUBJECT, Caller
from gateway.testing.community import StandInCommunity
from gateway.testing.invitations import StandInInvitations
from gateway.testing.status import StandInStatus
from gateway.testing.watching import StandInTickets
from gateway.testing.webhooks import StandInWebhooks
from neoforge.common.v1 import webhooks_pb2_grpc
from neoforge.common.v1.page_pb2 import Page
from neoforge.projects.v1 import invitations_pb2_grpc, projects_pb2_grpc
from neoforge.projects.v1 import projects_pb2 as pb

if TYPE_CHECKING:
    import asyncio

_CURSOR = "after-"


class SlugTaken(DomainError):
    """The owner has another project with this slug."""

    kind = Kind.CONFLICT
    reason = "SLUG_TAKEN"


class StandInProjects(projects_pb2_grpc.ProjectsServiceServicer):
    """Keeps projects in memory, follows the proto's promises, and does as a test tells it.

    `fail_next` holds failures for the calls to come, `hold` is waited for before a call does its work, `calls` lists
    every call as its method's name, its caller and its metadata, `left_s` what was left of its deadline when it came.
    """

    def __init__(self) -> None:
        self.projects: dict[str, pb.Project] = {}
        self.members: dict[str, dict[str, pb.Member]] = {}
        self.replies: dict[tuple[str, str, str], tuple[str, Any]] = {}
        self.calls: list[tuple[str, Caller, dict[str, str]]] = []
        self.left_s: list[float] = []
        self.fail_next: list[Exception | grpc.StatusCode] = []
        self.hold: asyncio.Event | None = None
        self.done: list[str] = []
        self._numbers = itertools.count(1)

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc] # the same empty store as at the start

    async def CreateProject(self, request: pb.CreateProjectRequest, context: Any) -> Any:
        async def create(caller: Caller) -> pb.CreateProjectResponse:
            owner = str(caller.subject)
            slug = request.slug or re.sub(r"[^a-z0-9]+", "-", request.name.lower())[:63].strip("-") or "project"
            if any(p.owner_id == owner and p.slug == slug for p in self.projects.values()):
                raise SlugTaken(f"the slug {slug} is taken")
            if len(set(request.labels)) < len(request.labels):
                raise InvalidFields.of([Violation("labels[1]", "stands there twice")])
            number = next(self._numbers)
            moment = Timestamp(seconds=1_700_000_000 + number, nanos=123_456_000)
            project = pb.Project(
                id=f"018f0000-0000-7000-9000-{number:012x}",
                slug=slug,
                name=request.name,
                description=request.description,
                status=pb.STATUS_ACTIVE,
                visibility=request.visibility or pb.VISIBILITY_PRIVATE,
                owner_id=owner,
                labels=request.labels,
                created_at=moment,
                updated_at=moment,
                version=1,
            )
            self.projects[project.id] = project
            self.members[project.id] = {owner: pb.Member(user_id=owner, role=pb.ROLE_OWNER, created_at=moment)}
            return pb.CreateProjectResponse(project=project)

        return await self._write("CreateProject", context, create)

    async def GetProject(self, request: pb.GetProjectRequest, context: Any) -> Any:
        async def get(caller: Caller) -> pb.GetProjectResponse:
            project = self._readable(request.id, caller)
            if request.unless_version == project.version:
                return pb.GetProjectResponse(unchanged_version=project.version)
            return pb.GetProjectResponse(project=project)

        return await self._call("GetProject", context, get)

    async def ListProjects(self, request: pb.ListProjectsRequest, context: Any) -> Any:
        async def list_(caller: Caller) -> pb.ListProjectsResponse:
            found = [p for p in self.projects.values() if self._may_read(p, caller)]
            found = [p for p in found if not request.owner_id or p.owner_id == request.owner_id]
            found = [p for p in found if set(request.labels) <= set(p.labels)]
            found.sort(key=lambda p: p.name, reverse=request.order != pb.ORDER_NAME_ASC)
            size, start = request.page_size or 20, (max(1, request.page) - 1) * request.page_size
            if request.cursor:
                if not request.cursor.startswith(_CURSOR):
                    raise InvalidCursor("this cursor was not given for this list")
                start = int(request.cursor.removeprefix(_CURSOR))
            rows = found[start : start + size]
            page = Page(
                total=len(found),
                total_exact=True,
                page=start // size + 1,
                page_size=size,
                next_cursor=f"{_CURSOR}{start + size}" if start + size < len(found) else "",
                previous_cursor=f"{_CURSOR}{max(0, start - size)}" if start else "",
            )
            return pb.ListProjectsResponse(projects=rows, page=page)

        return await self._call("ListProjects", context, list_)

    async def UpdateProject(self, request: pb.UpdateProjectRequest, context: Any) -> Any:
        async def update(caller: Caller) -> pb.UpdateProjectResponse:
            project = self._owned(request.project.id, caller, request.expected_version)
            for path in request.update_mask.paths:
                if path == "labels":
                    del project.labels[:]
                    project.labels.extend(request.project.labels)
                else:
                    setattr(project, path, getattr(request.project, path))
            project.version += 1
            return pb.UpdateProjectResponse(project=project)

        return await self._write("UpdateProject", context, update)

    async def DeleteProject(self, request: pb.DeleteProjectRequest, context: Any) -> Any:
        async def delete(caller: Caller) -> pb.DeleteProjectResponse:
            del self.projects[self._owned(request.id, caller, request.expected_version).id]
            return pb.DeleteProjectResponse()

        return await self._write("DeleteProject", context, delete)

    async def ListMembers(self, request: pb.ListMembersRequest, context: Any) -> Any:
        async def list_(caller: Caller) -> pb.ListMembersResponse:
            project = self._readable(request.project_id, caller)
            return pb.ListMembersResponse(members=self.members[project.id].values())

        return await self._call("ListMembers", context, list_)

    async def SetMember(self, request: pb.SetMemberRequest, context: Any) -> Any:
        async def set_(caller: Caller) -> pb.SetMemberResponse:
            project = self._owned(request.project_id, caller, 0)
            member = pb.Member(user_id=request.user_id, role=request.role, created_at=project.created_at)
            self.members[project.id][request.user_id] = member
            return pb.SetMemberResponse(member=member)

        return await self._write("SetMember", context, set_)

    async def RemoveMember(self, request: pb.RemoveMemberRequest, context: Any) -> Any:
        async def remove(caller: Caller) -> pb.RemoveMemberResponse:
            project = self._owned(request.project_id, caller, 0)
            if self.members[project.id].pop(request.user_id, None) is None:
                raise NotFound("this person is no member of the project")
            return pb.RemoveMemberResponse()

        return await self._write("RemoveMember", context, remove)

    async def _call(self, method: str, context: Any, work: Callable[[Caller], Awaitable[Any]]) -> Any:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        caller = Caller.from_metadata(metadata)
        self.calls.append((method, caller, metadata))
        self.left_s.append(context.time_remaining())
        if self.fail_next:
            await _abort(context, self.fail_next.pop(0))
        if self.hold is not None:
            await self.hold.wait()
        try:
            reply = await work(caller)
        except DomainError as error:
            await _abort(context, error)
        self.done.append(method)
        return reply

    async def _write(self, method: str, context: Any, work: Callable[[Caller], Awaitable[Any]]) -> Any:
        async def once(caller: Caller) -> Any:
            metadata = dict(context.invocation_metadata())
            key = metadata.get(calls.IDEMPOTENCY_KEY)
            if key is None:
                return await work(caller)
            scope = (metadata.get(SUBJECT, ""), method, key)
            fingerprint = metadata[calls.IDEMPOTENCY_FINGERPRINT]
            if scope in self.replies:
                first, reply = self.replies[scope]
                if first != fingerprint:
                    raise IdempotencyKeyReused("this key came before with another payload")
                context.set_trailing_metadata(((calls.IDEMPOTENCY_REPLAYED, "true"),))
                return reply
            reply = await work(caller)
            kept = type(reply)()
            kept.CopyFrom(reply)
            self.replies[scope] = (fingerprint, kept)
            return reply

        return await self._call(method, context, once)

    def _may_read(self, project: pb.Project, caller: Caller) -> bool:
        return project.visibility == pb.VISIBILITY_PUBLIC or str(caller.subject) in self.members[project.id]

    def _readable(self, id_: str, caller: Caller) -> pb.Project:
        project = self.projects.get(id_)
        if project is None or not self._may_read(project, caller):
            raise NotFound("there is no such project")
        return project

    def _owned(self, id_: str, caller: Caller, expected_version: int) -> pb.Project:
        project = self._readable(id_, caller)
        if project.owner_id != str(caller.subject):
            raise Forbidden("this takes the role owner in the project")
        VersionMismatch.check("project", expected_version, project.version)
        return project


async def _abort(context: Any, error: Exception | grpc.StatusCode) -> None:
    if isinstance(error, DomainError):
        details = ((DETAILS_KEY, to_status(error).SerializeToString()),)
        await context.abort(error.kind.value, error.message, details)
    elif isinstance(error, grpc.StatusCode):
        await context.abort(error, "told to fail")
    raise error  # type: ignore[misc] # whatever is left is an exception


class StandInServer:
    """The stand-in on a port of its own, with grpc.health.v1; can be stopped and started again on the same port."""

    def __init__(self) -> None:
        self.servicer = StandInProjects()
        self.webhooks = StandInWebhooks()
        self.invitations = StandInInvitations()
        self.community = StandInCommunity()
        self.status = StandInStatus()
        self.tickets = StandInTickets()
        self.health = health_aio.HealthServicer()
        self.port = 0
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Open the port and say that all is well."""
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        projects_pb2_grpc.add_ProjectsServiceServicer_to_server(self.servicer, self._server)
        webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server(self.webhooks, self._server)
        invitations_pb2_grpc.add_InvitationsServiceServicer_to_server(self.invitations, self._server)
        self.community.add_to(self._server)
        self.status.add_to(self._server)
        self.tickets.add_to(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        for part in ("", "database", "accepting"):
            await self.health.set(part, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()

    async def stop(self) -> None:
        """Die at once."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
