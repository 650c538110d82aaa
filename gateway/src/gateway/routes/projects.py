"""Projects and their members."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes.projects_models import (
    Member,
    MemberRole,
    NewProject,
    Project,
    ProjectChanges,
    ProjectQuery,
)
from neoforge.common.v1.page_pb2 import Page
from neoforge.projects.v1 import projects_pb2 as pb

projects: Final = Operations("projects")
members: Final = Operations("members")

_PATH: Final = "/api/v1/projects"
_ITEM: Final = _PATH + "/{project_id:id}"
_MEMBERS: Final = _ITEM + "/members"
_MEMBER: Final = _MEMBERS + "/{user_id:id}"

ProjectId = Annotated[str, Path(description="The project's id.", json_schema_extra={"format": "uuid"})]
UserId = Annotated[str, Path(description="The person's id.", json_schema_extra={"format": "uuid"})]
Patch = Annotated[ProjectChanges, Body(media_type="application/merge-patch+json")]

_STATUS: Final = {"active": pb.STATUS_ACTIVE, "archived": pb.STATUS_ARCHIVED}
_VISIBILITY: Final = {"private": pb.VISIBILITY_PRIVATE, "public": pb.VISIBILITY_PUBLIC}
_ROLE: Final = {"viewer": pb.ROLE_VIEWER, "maintainer": pb.ROLE_MAINTAINER, "owner": pb.ROLE_OWNER}
_ORDER: Final = {
    "created_at": pb.ORDER_CREATED_AT_ASC,
    "-created_at": pb.ORDER_CREATED_AT_DESC,
    "updated_at": pb.ORDER_UPDATED_AT_ASC,
    "-updated_at": pb.ORDER_UPDATED_AT_DESC,
    "name": pb.ORDER_NAME_ASC,
    "-name": pb.ORDER_NAME_DESC,
}
_STATUS_NAMES: Final = {number: name for name, number in _STATUS.items()}
_VISIBILITY_NAMES: Final = {number: name for name, number in _VISIBILITY.items()}
_ROLE_NAMES: Final = {number: name for name, number in _ROLE.items()}


@projects.serve(_ITEM, Declaration(Kind.READ, "GET", Project))
async def get_project(call: Call, project_id: ProjectId) -> Answer:
    """Read one project."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(
        call.parts.projects.GetProject,
        pb.GetProjectRequest(id=project_id, unless_version=known),
    )
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    project = reply.message.project
    return Answer(project_body(project), tag=str(project.version))


@projects.serve(
    _PATH,
    Declaration(Kind.CREATE, "POST", Project, success=HTTPStatus.CREATED, key=Key.REQUIRED, conflicts=("SLUG_TAKEN",)),
)
async def create_project(call: Call, body: NewProject) -> Answer:
    """Create a project, owned by the caller."""
    reply = await call.ask(
        call.parts.projects.CreateProject,
        pb.CreateProjectRequest(
            slug=body.slug or "",
            name=body.name,
            description=body.description,
            visibility=_VISIBILITY[body.visibility],
            labels=body.labels,
        ),
    )
    project = reply.message.project
    return Answer(
        project_body(project),
        tag=str(project.version),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{project.id}",
        replayed=reply.replayed,
    )


@projects.serve(_PATH, Declaration(Kind.READ, "GET", PaginatedResponse[Project], has_cursor=True))
async def list_projects(call: Call, query: Annotated[ProjectQuery, Query()]) -> Answer:
    """List the projects that the caller may read, a page at a time."""
    owner = str(call.caller.subject) if query.owner == "me" else query.owner
    reply = await call.ask(
        call.parts.projects.ListProjects,
        pb.ListProjectsRequest(
            status=_STATUS[query.status] if query.status else pb.STATUS_UNSPECIFIED,
            visibility=_VISIBILITY[query.visibility] if query.visibility else pb.VISIBILITY_UNSPECIFIED,
            labels=query.label,
            text=query.text,
            owner_id=owner or "",
            order=_ORDER[query.order],
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
        ),
    )
    page: Page = reply.message.page
    body = to_json(page_json([_project_json(project) for project in reply.message.projects], page))
    return Answer(body, tag=tag_of(body), links=page_links(_PATH, query, page))


@projects.serve(
    _ITEM,
    Declaration(Kind.CHANGE, "PATCH", Project, key=Key.OPTIONAL, media_types=MERGE_PATCH, conflicts=("SLUG_TAKEN",)),
)
async def update_project(call: Call, project_id: ProjectId, body: Patch) -> Answer:
    """Change a project, as a JSON merge patch (RFC 7396)."""
    changed = body.model_fields_set
    reply = await call.ask(
        call.parts.projects.UpdateProject,
        pb.UpdateProjectRequest(
            project=pb.Project(
                id=project_id,
                slug=body.slug,
                name=body.name,
                description=body.description or "",
                status=_STATUS[body.status],
                visibility=_VISIBILITY[body.visibility],
                labels=body.labels or (),
            ),
            update_mask=FieldMask(paths=sorted(changed)),
            expected_version=await _expected_version(call, project_id),
        ),
    )
    project = reply.message.project
    return Answer(project_body(project), tag=str(project.version), replayed=reply.replayed)


@projects.serve(_ITEM, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
async def delete_project(call: Call, project_id: ProjectId) -> Answer:
    """Delete a project with its members."""
    reply = await call.ask(
        call.parts.projects.DeleteProject,
        pb.DeleteProjectRequest(id=project_id, expected_version=await _expected_version(call, project_id)),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@members.serve(_MEMBERS, Declaration(Kind.READ, "GET", PaginatedResponse[Member], tagged=Tagged.CONTENT))
async def list_members(call: Call, project_id: ProjectId) -> Answer:
    """List a project's members, the owner first; for its members."""
    reply = await call.ask(call.parts.projects.ListMembers, pb.ListMembersRequest(project_id=project_id))
    members = [_member_json(member) for member in reply.message.members]
    all_of_them = Page(total=len(members), total_exact=True, page=1, page_size=max(1, len(members)))
    body = to_json(page_json(members, all_of_them))
    return Answer(body, tag=tag_of(body))


@members.serve(
    _MEMBER,
    Declaration(Kind.CHANGE, "PUT", Member, key=Key.OPTIONAL, tagged=Tagged.CONTENT, conflicts=("LIMIT_REACHED",)),
)
async def set_member(call: Call, project_id: ProjectId, user_id: UserId, body: MemberRole) -> Answer:
    """Give a person a role in a project, or another role; for its owner."""
    reply = await call.ask(
        call.parts.projects.SetMember,
        pb.SetMemberRequest(project_id=project_id, user_id=user_id, role=_ROLE[body.role]),
    )
    return Answer(to_json(_member_json(reply.message.member)), replayed=reply.replayed)


@members.serve(
    _MEMBER,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, tagged=Tagged.CONTENT),
)
async def remove_member(call: Call, project_id: ProjectId, user_id: UserId) -> Answer:
    """Take a person out of a project: its owner anyone else, a member themselves."""
    reply = await call.ask(
        call.parts.projects.RemoveMember,
        pb.RemoveMemberRequest(project_id=project_id, user_id=user_id),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


def project_body(project: pb.Project) -> bytes:
    """Write a project as JSON."""
    return to_json(_project_json(project))


def _project_json(project: pb.Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "slug": project.slug,
        "name": project.name,
        "description": project.description,
        "status": _STATUS_NAMES[project.status],
        "visibility": _VISIBILITY_NAMES[project.visibility],
        "owner_id": project.owner_id,
        "labels": list(project.labels),
        "created_at": rfc3339(project.created_at),
        "updated_at": rfc3339(project.updated_at),
        "version": project.version,
    }


def _member_json(member: pb.Member) -> dict[str, Any]:
    return {
        "user_id": member.user_id,
        "role": _ROLE_NAMES[member.role],
        "created_at": rfc3339(member.created_at),
    }


async def _expected_version(call: Call, project_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(call.parts.projects.GetProject, pb.GetProjectRequest(id=project_id))
        return int(found.project.version)

    return await call.preconditions.expected_version(current)
