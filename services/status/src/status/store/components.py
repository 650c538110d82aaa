"""All SQL on components, their groups and their events."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Page, PageRequest, both_ways
from status.errors import GroupNotFound, SlugTaken
from status.model.components import Component, Event, Group, Source, Status
from status.store.rows import insertion, update_of
from status.tables import components, groups, status_events

_, NEWEST_FIRST = both_ways("created_at")

_id = sa.bindparam("id", type_=sa.Uuid)
_last = (
    sa.select(status_events)
    .where(status_events.c.component_id == components.c.id)
    .order_by(status_events.c.created_at.desc(), status_events.c.id.desc())
    .limit(1)
    .lateral("last")
)
_EVENT: Final = tuple(_last.c[column.name].label(f"event_{column.name}") for column in status_events.c)
_with_last = sa.select(*components.c, *_EVENT).select_from(components.join(_last, sa.true()))

_GET = statement(sa.select(*components.c).where(components.c.id == _id), "SELECT components")
_GET_FOR_CHANGE = statement(
    sa.select(*components.c).where(components.c.id == _id).with_for_update(), "SELECT components"
)
_GET_VERSION = statement(sa.select(components.c.version).where(components.c.id == _id), "SELECT components")
_BY_SLUG = statement(
    sa.select(*components.c).where(components.c.slug == sa.bindparam("slug", type_=sa.Text)), "SELECT components"
)
_ALL = statement(_with_last.order_by(components.c.position, components.c.name, components.c.id), "SELECT components")
_COUNT = statement(sa.select(sa.func.count().label("total")).select_from(components), "COUNT components")
_KNOWN = statement(
    sa.select(components.c.id).where(
        components.c.id == sa.func.any(sa.bindparam("ids", type_=ARRAY(sa.Uuid))),
    ),
    "SELECT components",
)
_INSERT = insertion(components, unless="slug")
_UPDATE = update_of(components, "slug", "name", "description", "group_id", "position", "updated_at")
_DELETE = statement(sa.delete(components).where(components.c.id == _id), "DELETE components")

_GROUPS = statement(sa.select(*groups.c).order_by(groups.c.position, groups.c.name, groups.c.id), "SELECT groups")
_GROUP_FOR_CHANGE = statement(sa.select(*groups.c).where(groups.c.id == _id).with_for_update(), "SELECT groups")
_COUNT_GROUPS = statement(sa.select(sa.func.count().label("total")).select_from(groups), "COUNT groups")
_INSERT_GROUP = insertion(groups)
_UPDATE_GROUP = update_of(groups, "name", "position", "updated_at")
_DELETE_GROUP = statement(sa.delete(groups).where(groups.c.id == _id), "DELETE groups")

_INSERT_EVENT = insertion(status_events)
_LAST = statement(
    sa.select(*status_events.c)
    .where(status_events.c.component_id == _id)
    .order_by(status_events.c.created_at.desc(), status_events.c.id.desc())
    .limit(1),
    "SELECT status_events",
)
_GET_EVENT = statement(sa.select(*status_events.c).where(status_events.c.id == _id), "SELECT status_events")
_since = sa.bindparam("since", type_=sa.DateTime(timezone=True))
_before = (
    sa.select(status_events)
    .where(status_events.c.component_id == components.c.id, status_events.c.created_at < _since)
    .order_by(status_events.c.created_at.desc(), status_events.c.id.desc())
    .limit(1)
    .lateral("before")
)
_from_then_on = (
    sa.select(status_events)
    .where(status_events.c.component_id == components.c.id, status_events.c.created_at >= _since)
    .lateral("from_then_on")
)
_wanted = sa.or_(sa.bindparam("id", type_=sa.Uuid).is_(None), components.c.id == _id)
_merged = sa.union_all(
    *(
        sa.select(*found.c).select_from(components.join(found, sa.true())).where(_wanted)
        for found in (_before, _from_then_on)
    )
).subquery("merged")
_SINCE = statement(
    sa.select(*_merged.c).order_by(_merged.c.component_id, _merged.c.created_at, _merged.c.id), "SELECT status_events"
)


async def get(connection: Connection, id: UUID) -> Component | None:  # noqa: A002 - the field's name
    """Give a component, or None."""
    return _found(await connection.one(_GET, id=id))


async def get_version(connection: Connection, id: UUID) -> int | None:  # noqa: A002 - the field's name
    """Give the version of a component, or None."""
    row = await connection.one(_GET_VERSION, id=id)
    return row.version if row else None


async def get_for_change(tx: Connection, id: UUID) -> Component | None:  # noqa: A002 - the field's name
    """Give a component, or None; no other transaction changes it or adds an event until this one ends."""
    return _found(await tx.one(_GET_FOR_CHANGE, id=id))


async def by_slug(connection: Connection, slug: str) -> Component | None:
    """Give the component with this slug, or None."""
    return _found(await connection.one(_BY_SLUG, slug=slug))


async def all_with_last(connection: Connection) -> list[tuple[Component, Event]]:
    """Give every component and its last event, by position."""
    return [_with_event(row) for row in await connection.all(_ALL)]


async def page(
    connection: Connection, group_id: UUID | None, request: PageRequest, cursors: Cursors, scope: str
) -> Page[tuple[Component, Event]]:
    """Give one page of the components, of one group or of all, each with its last event."""
    given: dict[str, Any] = {"group_id": group_id} if group_id else {}
    found = await _components(bool(group_id)).page(connection, request, cursors, scope, **given)
    return found.of([_with_event(row) for row in found.rows])


@lru_cache(maxsize=2)
def _components(of_group: bool) -> Listing:
    listed = _with_last
    if of_group:
        listed = listed.where(components.c.group_id == sa.bindparam("group_id", type_=sa.Uuid))
    return Listing([listed], NEWEST_FIRST, "components", counted_in_order=True)


async def count(connection: Connection) -> int:
    """Give how many components there are."""
    return int((await connection.one(_COUNT)).total)


async def unknown(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Give those of the ids that are no component's."""
    known = {row.id for row in await connection.all(_KNOWN, ids=list(ids))} if ids else set()
    return [id_ for id_ in ids if id_ not in known]


async def insert(tx: Connection, component: Component) -> None:
    """Store a new component.

    Raises:
        SlugTaken: another has its slug.
        GroupNotFound: its group is none.
    """
    try:
        if not await tx.execute(_INSERT, **vars(component)):
            raise SlugTaken(component.slug)
    except psycopg.errors.ForeignKeyViolation:
        raise GroupNotFound from None


async def update(tx: Connection, component: Component) -> bool:
    """Store a changed component if the stored one is still its previous version; say whether it was.

    Raises:
        SlugTaken: another has its slug.
        GroupNotFound: its group is none.
    """
    row = {name: value for name, value in vars(component).items() if name not in {"created_at", "version"}}
    try:
        return bool(await tx.execute(_UPDATE, previous_version=component.version - 1, **row))
    except psycopg.errors.UniqueViolation:
        raise SlugTaken(component.slug) from None
    except psycopg.errors.ForeignKeyViolation:
        raise GroupNotFound from None


async def delete(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Remove a component and its events."""
    await tx.execute(_DELETE, id=id)


async def list_groups(connection: Connection) -> list[Group]:
    """Give all groups, by position."""
    return [_group(row) for row in await connection.all(_GROUPS)]


async def group_for_change(tx: Connection, id: UUID) -> Group | None:  # noqa: A002 - the field's name
    """Give a group, or None, and let no other transaction change it until this one ends."""
    row = await tx.one(_GROUP_FOR_CHANGE, id=id)
    return _group(row) if row else None


async def count_groups(connection: Connection) -> int:
    """Give how many groups there are."""
    return int((await connection.one(_COUNT_GROUPS)).total)


async def insert_group(tx: Connection, group: Group) -> None:
    """Store a new group."""
    await tx.execute(_INSERT_GROUP, **vars(group))


async def update_group(tx: Connection, group: Group) -> bool:
    """Store a changed group if the stored one is still its previous version; say whether it was."""
    row = {name: value for name, value in vars(group).items() if name not in {"created_at", "version"}}
    return bool(await tx.execute(_UPDATE_GROUP, previous_version=group.version - 1, **row))


async def delete_group(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Remove a group; its components stay."""
    await tx.execute(_DELETE_GROUP, id=id)


async def last_event(connection: Connection, component_id: UUID) -> Event | None:
    """Give the last event of a component, None when there is no such component."""
    row = await connection.one(_LAST, id=component_id)
    return _event(row) if row else None


async def get_event(connection: Connection, id: UUID) -> Event | None:  # noqa: A002 - the field's name
    """Give an event, or None."""
    row = await connection.one(_GET_EVENT, id=id)
    return _event(row) if row else None


async def insert_event(tx: Connection, event: Event) -> None:
    """Store a new event; the caller holds the component's lock."""
    await tx.execute(_INSERT_EVENT, **vars(event) | {"status": event.status.value, "source": event.source.value})


async def events_since(connection: Connection, since: datetime, component_id: UUID | None) -> dict[UUID, list[Event]]:
    """Give the events from a moment on and the last one before it, by time, of one component or of each."""
    found: dict[UUID, list[Event]] = {}
    for row in await connection.all(_SINCE, since=since, id=component_id):
        found.setdefault(row.component_id, []).append(_event(row))
    return found


async def events_page(
    connection: Connection,
    component_id: UUID | None,
    status: Status | None,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[Event]:
    """Give one page of the events that the filters let through."""
    given: dict[str, Any] = {}
    if component_id:
        given["component_id"] = component_id
    if status:
        given["status"] = status.value
    found = await events_listing(frozenset(given)).page(connection, request, cursors, scope, **given)
    return found.of([_event(row) for row in found.rows])


@lru_cache(maxsize=4)
def events_listing(filters: frozenset[str]) -> Listing:
    """The list of events by these columns."""
    conditions = [
        status_events.c[name] == sa.bindparam(name, type_=status_events.c[name].type) for name in sorted(filters)
    ]
    listed = sa.select(*status_events.c).where(*conditions)
    return Listing([listed], NEWEST_FIRST, "status_events", counted_in_order=True)


def _found(row: Any) -> Component | None:
    return _component(row) if row else None


def _component(row: Any) -> Component:
    return Component(**{column.name: getattr(row, column.name) for column in components.c})


def _group(row: Any) -> Group:
    return Group(**{column.name: getattr(row, column.name) for column in groups.c})


def _event(row: Any, prefix: str = "") -> Event:
    fields = {column.name: getattr(row, prefix + column.name) for column in status_events.c}
    return Event(**fields | {"status": Status(fields["status"]), "source": Source(fields["source"])})


def _with_event(row: Any) -> tuple[Component, Event]:
    return _component(row), _event(row, "event_")
