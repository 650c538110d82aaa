"""Between the model and the protos of neoforge.projects.v1."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from chassis.convert import from_enum, masked, needed, parse_uuid, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from chassis.paging import Order, both_ways
from neoforge.projects.v1 import projects_pb2 as pb
from projects.model import Filter, Member, Project, Role, Status, Visibility

_CREATED, _CREATED_DESC = both_ways("created_at")
_UPDATED, _UPDATED_DESC = both_ways("updated_at")
_NAME, _NAME_DESC = both_ways("name")

_ORDERS: Final[Mapping[int, Order]] = {
    pb.ORDER_UNSPECIFIED: _CREATED_DESC,
    pb.ORDER_CREATED_AT_ASC: _CREATED,
    pb.ORDER_CREATED_AT_DESC: _CREATED_DESC,
    pb.ORDER_UPDATED_AT_ASC: _UPDATED,
    pb.ORDER_UPDATED_AT_DESC: _UPDATED_DESC,
    pb.ORDER_NAME_ASC: _NAME,
    pb.ORDER_NAME_DESC: _NAME_DESC,
}

_CHANGES: Final[Mapping[str, Callable[[pb.Project], Any]]] = {
    "slug": lambda p: p.slug,
    "name": lambda p: p.name,
    "description": lambda p: p.description,
    "status": lambda p: needed(from_enum(pb.Status, Status, p.status, "status"), "status"),
    "visibility": lambda p: needed(from_enum(pb.Visibility, Visibility, p.visibility, "visibility"), "visibility"),
    "labels": lambda p: tuple(p.labels),
}


def project_proto(project: Project) -> pb.Project:
    """Give a project as its message."""
    return pb.Project(
        id=str(project.id),
        slug=project.slug,
        name=project.name,
        description=project.description,
        status=to_enum(pb.Status, project.status),
        visibility=to_enum(pb.Visibility, project.visibility),
        owner_id=str(project.owner_id),
        labels=project.labels,
        created_at=timestamp(project.created_at),
        updated_at=timestamp(project.updated_at),
        version=project.version,
    )


def member_proto(member: Member) -> pb.Member:
    """Give a member as its message."""
    return pb.Member(
        user_id=str(member.user_id),
        role=to_enum(pb.Role, member.role),
        created_at=timestamp(member.created_at),
    )


def visibility(request: pb.CreateProjectRequest) -> Visibility:
    """Give the visibility asked for, private when unspecified."""
    return from_enum(pb.Visibility, Visibility, request.visibility, "visibility") or Visibility.PRIVATE


def changes(request: pb.UpdateProjectRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed, or a value is none of its enum's.
    """
    return masked(request.update_mask.paths, _CHANGES, request.project)


def member_role(request: pb.SetMemberRequest) -> Role:
    """Give the role to be given.

    Raises:
        InvalidFields: it is neither viewer nor maintainer.
    """
    role = from_enum(pb.Role, Role, request.role, "role")
    if role not in {Role.VIEWER, Role.MAINTAINER}:
        raise InvalidFields.of([Violation("role", "must be viewer or maintainer")])
    return role


def wanted(request: pb.ListProjectsRequest) -> tuple[Filter, Order]:
    """Give filter and order of a list.

    Raises:
        InvalidFields: a field breaks its rule.
    """
    asked = Filter(
        status=from_enum(pb.Status, Status, request.status, "status"),
        visibility=from_enum(pb.Visibility, Visibility, request.visibility, "visibility"),
        labels=tuple(request.labels),
        text=request.text.strip(),  # blanks alone are no words
        owner_id=parse_uuid(request.owner_id, "owner_id") if request.owner_id else None,
    )
    asked.check()
    order = _ORDERS.get(request.order)
    if order is None:
        raise InvalidFields.of([Violation("order", "is none of the orders")])
    return asked, order
