"""All SQL of the projects service."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import psycopg
import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from chassis.search import matches
from projects.errors import SlugTaken
from projects.model import Filter, Member, Project, Role, Status, Visibility
from projects.tables import members, projects

_COLUMNS: Final = tuple(column for column in projects.c if column.name != "search")

# A literal, not a parameter: the index of public projects is partial, and a prepared plan must see that it applies.
_public: Final = projects.c.visibility == sa.literal_column(f"'{Visibility.PUBLIC}'")

_id = sa.bindparam("id", type_=sa.Uuid)
_person = sa.bindparam("person", type_=sa.Uuid)
_member_role = (
    sa.select(members.c.role)
    .where(members.c.project_id == projects.c.id, members.c.user_id == _person)
    .scalar_subquery()
)
_role = sa.case((projects.c.owner_id == _person, Role.OWNER.value), else_=_member_role).label("role")
_readable = sa.or_(
    _public,
    projects.c.owner_id == _person,
    _member_role.is_not(None),
)

_GET = statement(sa.select(*_COLUMNS, _role).where(projects.c.id == _id, _readable), "SELECT projects")
_GET_VERSION = statement(sa.select(projects.c.version).where(projects.c.id == _id, _readable), "SELECT projects")
_GET_FOR_CHANGE = statement(
    sa.select(*_COLUMNS, _role).where(projects.c.id == _id, _readable).with_for_update(of=projects), "SELECT projects"
)
_GET_ANY_FOR_CHANGE = statement(sa.select(*_COLUMNS).where(projects.c.id == _id).with_for_update(), "SELECT projects")
_INSERT = statement(
    sa.dialects.postgresql.insert(projects)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in _COLUMNS})
    .on_conflict_do_nothing(index_elements=["owner_id", "slug"]),
    "INSERT projects",
)
_CHANGEABLE: Final = ("slug", "name", "description", "status", "visibility", "labels", "updated_at")
_UPDATE = statement(
    sa.update(projects)
    .where(projects.c.id == _id, projects.c.version == sa.bindparam("previous_version", type_=sa.BigInteger))
    .values(
        {name: sa.bindparam(name, type_=projects.c[name].type) for name in _CHANGEABLE}
        | {"version": projects.c.version + 1},
    ),
    "UPDATE projects",
)
_DELETE = statement(sa.delete(projects).where(projects.c.id == _id), "DELETE projects")
_MEMBERS = statement(
    sa.select(members.c.user_id, members.c.role, members.c.created_at)
    .where(members.c.project_id == _id)
    .order_by(members.c.created_at, members.c.user_id),
    "SELECT members",
)
_MEMBER = statement(
    sa.select(members.c.user_id, members.c.role, members.c.created_at).where(
        members.c.project_id == _id, members.c.user_id == _person
    ),
    "SELECT members",
)
_COUNT_MEMBERS = statement(
    sa.select(sa.func.count().label("total")).select_from(members).where(members.c.project_id == _id), "COUNT members"
)
_SET_MEMBER = statement(
    sa.dialects.postgresql.insert(members)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in members.c})
    .on_conflict_do_update(index_elements=["project_id", "user_id"], set_={"role": sa.bindparam("role")})
    .returning(members.c.user_id, members.c.role, members.c.created_at),
    "INSERT members",
)
_REMOVE_MEMBER = statement(
    sa.delete(members).where(members.c.project_id == _id, members.c.user_id == sa.bindparam("user_id", type_=sa.Uuid)),
    "DELETE members",
)


async def get(connection: Connection, id: UUID, person: UUID) -> tuple[Project, Role | None] | None:  # noqa: A002
    """Give a project that the person may read and their role in it, or None."""
    return _found(await connection.one(_GET, id=id, person=person))


async def get_version(connection: Connection, id: UUID, person: UUID) -> int | None:  # noqa: A002
    """Give the version of a project that the person may read, without reading the rest, or None."""
    row = await connection.one(_GET_VERSION, id=id, person=person)
    return row.version if row else None


async def get_for_change(tx: Connection, id: UUID, person: UUID) -> tuple[Project, Role | None] | None:  # noqa: A002
    """Give what `get` gives, and let no other transaction change it until this one ends."""
    return _found(await tx.one(_GET_FOR_CHANGE, id=id, person=person))


async def get_any_for_change(tx: Connection, id: UUID) -> Project | None:  # noqa: A002 - the field's name
    """Give a project, whoever may read it, and let no other transaction change it until this one ends."""
    row = await tx.one(_GET_ANY_FOR_CHANGE, id=id)
    return _project(row) if row else None


async def insert(tx: Connection, project: Project) -> None:
    """Store a new project.

    Raises:
        SlugTaken: its owner has one with this slug.
    """
    if not await tx.execute(_INSERT, **_row(project)):
        raise _slug_taken(project)


async def update(tx: Connection, project: Project) -> bool:
    """Store a changed project if the stored one is still its previous version; say whether it was.

    Raises:
        SlugTaken: its owner has another one with this slug.
    """
    row = {name: value for name, value in _row(project).items() if name in _CHANGEABLE}
    try:
        return bool(await tx.execute(_UPDATE, id=project.id, previous_version=project.version - 1, **row))
    except psycopg.errors.UniqueViolation as taken:
        raise _slug_taken(project) from taken


async def delete(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Remove a project and its members."""
    await tx.execute(_DELETE, id=id)


async def page(
    connection: Connection,
    wanted: Filter,
    person: UUID,
    order: Order,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[Project]:
    """Give one page of the projects that the person may read and the filter lets through."""
    parameters: dict[str, Any] = {"person": person}
    if wanted.status:
        parameters["status"] = wanted.status.value
    if wanted.labels:
        parameters["labels"] = list(wanted.labels)
    if wanted.owner_id:
        parameters["owner_id"] = wanted.owner_id
    if wanted.text:
        parameters["text"] = wanted.text
    listing = _listing(order, wanted.visibility, frozenset(parameters))
    found = await listing.page(connection, request, cursors, scope, **parameters)
    return found.of([_project(row) for row in found.rows])


@lru_cache(maxsize=256)
def _listing(order: Order, visibility: Visibility | None, filters: frozenset[str]) -> Listing:
    """The list as up to three disjoint branches: the person's own projects, those shared with them, the public rest."""
    shared = sa.exists().where(members.c.project_id == projects.c.id, members.c.user_id == _person)
    others = projects.c.owner_id != _person
    own = sa.select(*_COLUMNS).where(projects.c.owner_id == _person)
    joined = (
        sa.select(*_COLUMNS)
        .join(members, members.c.project_id == projects.c.id)
        .where(members.c.user_id == _person, others)
    )
    rest = sa.select(*_COLUMNS).where(_public, others, ~shared)
    branches = [own, joined] if visibility is Visibility.PRIVATE else [own, joined, rest]
    conditions = []
    if visibility:
        conditions.append(projects.c.visibility == sa.literal_column(f"'{visibility.value}'"))
    if "status" in filters:
        conditions.append(projects.c.status == sa.bindparam("status", type_=sa.Text))
    if "labels" in filters:
        conditions.append(projects.c.labels.contains(sa.bindparam("labels", type_=projects.c.labels.type)))
    if "owner_id" in filters:
        conditions.append(projects.c.owner_id == sa.bindparam("owner_id", type_=sa.Uuid))
    if "text" in filters:
        conditions.append(matches(projects.c.search, sa.bindparam("text", type_=sa.Text)))
    return Listing([branch.where(*conditions) for branch in branches], order, "projects", counted_in_order=True)


async def list_members(connection: Connection, project: Project) -> list[Member]:
    """Give all members: the owner, then the others by time."""
    owner = Member(project.owner_id, Role.OWNER, project.created_at)
    return [owner, *(_member(row) for row in await connection.all(_MEMBERS, id=project.id))]


async def get_member(tx: Connection, id: UUID, person: UUID) -> Member | None:  # noqa: A002 - the field's name
    """Give a person as a member of a project, or None; its owner is none of these."""
    row = await tx.one(_MEMBER, id=id, person=person)
    return _member(row) if row else None


async def count_members(tx: Connection, id: UUID) -> int:  # noqa: A002 - the field's name
    """Give how many members a project has, its owner among them."""
    return int((await tx.one(_COUNT_MEMBERS, id=id)).total) + 1


async def set_member(tx: Connection, id: UUID, user_id: UUID, role: Role, now: datetime) -> Member:  # noqa: A002
    """Give a person a role in the project, and the member as it is then."""
    row = await tx.one(_SET_MEMBER, project_id=id, user_id=user_id, role=role.value, created_at=now)
    return _member(row)


async def remove_member(tx: Connection, id: UUID, user_id: UUID) -> bool:  # noqa: A002 - the field's name
    """Take a person out; say whether they were in."""
    return bool(await tx.execute(_REMOVE_MEMBER, id=id, user_id=user_id))


def _found(row: Any) -> tuple[Project, Role | None] | None:
    return (_project(row), Role(row.role) if row.role else None) if row else None


def _project(row: Any) -> Project:
    return Project(
        id=row.id,
        slug=row.slug,
        name=row.name,
        description=row.description,
        status=Status(row.status),
        visibility=Visibility(row.visibility),
        owner_id=row.owner_id,
        labels=tuple(row.labels),
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _row(project: Project) -> dict[str, Any]:
    return {column.name: getattr(project, column.name) for column in _COLUMNS} | {
        "status": project.status.value,
        "visibility": project.visibility.value,
        "labels": list(project.labels),
    }


def _member(row: Any) -> Member:
    return Member(row.user_id, Role(row.role), row.created_at)


def _slug_taken(project: Project) -> SlugTaken:
    return SlugTaken(f"you have a project with the slug {project.slug} already", metadata={"slug": project.slug})
