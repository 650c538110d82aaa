"""All SQL on incidents and their updates."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Page, PageRequest, both_ways
from status.model.components import Status
from status.model.incidents import Impact, Incident, Progress, Turn, Update
from status.store.rows import insertion, update_of
from status.tables import incident_updates, incidents

_, NEWEST_FIRST = both_ways("created_at")
MOST_OPEN: Final = 50
"""Open incidents on the page: the newest of them."""

_id = sa.bindparam("id", type_=sa.Uuid)
# A literal, not a parameter: the index of open incidents is partial, and a prepared plan must see that it applies.
_open: Final = incidents.c.status != sa.literal_column("'resolved'")

_GET = statement(sa.select(*incidents.c).where(incidents.c.id == _id), "SELECT incidents")
_GET_FOR_CHANGE = statement(sa.select(*incidents.c).where(incidents.c.id == _id).with_for_update(), "SELECT incidents")
_GET_VERSION = statement(sa.select(incidents.c.version).where(incidents.c.id == _id), "SELECT incidents")
_OPEN = statement(
    sa.select(*incidents.c)
    .where(_open)
    .order_by(incidents.c.created_at.desc(), incidents.c.id.desc())
    .limit(MOST_OPEN),
    "SELECT incidents",
)
_UPDATES = statement(
    sa.select(*incident_updates.c)
    .where(incident_updates.c.incident_id == sa.func.any(sa.bindparam("ids", type_=ARRAY(sa.Uuid))))
    .order_by(incident_updates.c.created_at.desc(), incident_updates.c.id.desc()),
    "SELECT incident_updates",
)
_newest = (
    sa.select(incidents.c.updated_at)
    .order_by(incidents.c.created_at.desc(), incidents.c.id.desc())
    .limit(MOST_OPEN)
    .subquery()
)
_CHANGED = statement(sa.select(sa.func.max(_newest.c.updated_at).label("at")), "SELECT incidents")
_INSERT = insertion(incidents)
_UPDATE = update_of(
    incidents, "title", "status", "impact", "component_ids", "updated_at", "monitoring_at", "resolved_at"
)
_INSERT_UPDATE = insertion(incident_updates)


async def get(connection: Connection, id: UUID) -> Incident | None:  # noqa: A002 - the field's name
    """Give an incident, or None."""
    return await _whole(connection, await connection.one(_GET, id=id))


async def get_for_change(tx: Connection, id: UUID) -> Incident | None:  # noqa: A002 - the field's name
    """Give an incident, or None, and let no other transaction change it until this one ends."""
    return await _whole(tx, await tx.one(_GET_FOR_CHANGE, id=id))


async def get_version(connection: Connection, id: UUID) -> int | None:  # noqa: A002 - the field's name
    """Give the version of an incident, or None."""
    row = await connection.one(_GET_VERSION, id=id)
    return row.version if row else None


async def list_open(connection: Connection) -> list[Incident]:
    """Give the newest open incidents, MOST_OPEN at most."""
    return await _all(connection, await connection.all(_OPEN))


async def changed_at(connection: Connection) -> datetime | None:
    """Give when one of the newest incidents, MOST_OPEN at most, was last changed; None when there is none."""
    moment: datetime | None = (await connection.one(_CHANGED)).at
    return moment


async def page(
    connection: Connection,
    wanted: tuple[bool, Progress | None, Impact | None],
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[Incident]:
    """Give one page of incidents; `wanted` is whether only open ones, and with which status and impact."""
    only_open, status, impact = wanted
    given: dict[str, Any] = {name: value.value for name, value in (("status", status), ("impact", impact)) if value}
    found = await listing(only_open, frozenset(given)).page(connection, request, cursors, scope, **given)
    return found.of(await _all(connection, found.rows))


@lru_cache(maxsize=8)
def listing(only_open: bool, filters: frozenset[str]) -> Listing:
    """The list of incidents by these columns, of all or of those that are open."""
    conditions = [incidents.c[name] == sa.bindparam(name, type_=sa.Text) for name in sorted(filters)]
    listed = sa.select(*incidents.c).where(*conditions, *([_open] if only_open else []))
    return Listing([listed], NEWEST_FIRST, "incidents", counted_in_order=True)


async def insert(tx: Connection, incident: Incident) -> None:
    """Store a new incident and its updates."""
    await tx.execute(_INSERT, **_row(incident))
    for update_ in incident.updates:
        await _insert_update(tx, incident.id, update_)


async def update(tx: Connection, incident: Incident, told: Update | None = None) -> bool:
    """Store a changed incident, and what was told by it, if the stored one is still its previous version."""
    row = {name: value for name, value in _row(incident).items() if name not in {"created_at", "version"}}
    if not await tx.execute(_UPDATE, previous_version=incident.version - 1, **row):
        return False
    if told is not None:
        await _insert_update(tx, incident.id, told)
    return True


async def _insert_update(tx: Connection, incident_id: UUID, update_: Update) -> None:
    turns = Jsonb([{"component_id": str(t.component_id), "before": t.before, "after": t.after} for t in update_.turns])
    given = vars(update_) | {"status": update_.status.value, "turns": turns}
    await tx.execute(_INSERT_UPDATE, incident_id=incident_id, **given)


async def _whole(connection: Connection, row: Any) -> Incident | None:
    return (await _all(connection, [row]))[0] if row else None


async def _all(connection: Connection, rows: list[Any]) -> list[Incident]:
    """The incidents of these rows with their updates, read at once."""
    updates: dict[UUID, list[Update]] = {row.id: [] for row in rows}
    if rows:
        for row in await connection.all(_UPDATES, ids=list(updates)):
            turns = tuple(Turn(UUID(t["component_id"]), Status(t["before"]), Status(t["after"])) for t in row.turns)
            updates[row.incident_id].append(
                Update(row.id, Progress(row.status), row.body, row.created_by, row.created_at, turns)
            )
    return [_incident(row, tuple(updates[row.id])) for row in rows]


def _incident(row: Any, updates: tuple[Update, ...]) -> Incident:
    fields = {column.name: getattr(row, column.name) for column in incidents.c}
    read = {
        "status": Progress(row.status),
        "impact": Impact(row.impact),
        "component_ids": tuple(row.component_ids),
        "updates": updates,
    }
    return Incident(**fields | read)


def _row(incident: Incident) -> dict[str, Any]:
    return {column.name: getattr(incident, column.name) for column in incidents.c} | {
        "status": incident.status.value,
        "impact": incident.impact.value,
        "component_ids": list(incident.component_ids),
    }
