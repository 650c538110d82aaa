"""All SQL on windows of maintenance."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from status.model.maintenances import LONGEST, Phase, Window
from status.store.rows import insertion
from status.tables import MOMENT, maintenances

LATEST_START_FIRST: Final = Order("-starts_at", ("starts_at", "id"), descending=True)
MOST_AHEAD: Final = 50
"""Windows on the page: the first of those that are open or to come."""

_id = sa.bindparam("id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_since = sa.bindparam("since", type_=MOMENT)
# No window is longer than LONGEST: one that is open has begun after this, so that the index need not be walked further.
_earliest = sa.bindparam("earliest", type_=MOMENT)

_GET = statement(sa.select(*maintenances.c).where(maintenances.c.id == _id), "SELECT maintenances")
_GET_FOR_CHANGE = statement(
    sa.select(*maintenances.c).where(maintenances.c.id == _id).with_for_update(), "SELECT maintenances"
)
_AHEAD = statement(
    sa.select(*maintenances.c)
    .where(maintenances.c.ends_at > _now, maintenances.c.starts_at > _earliest)
    .order_by(maintenances.c.starts_at, maintenances.c.id)
    .limit(MOST_AHEAD),
    "SELECT maintenances",
)
_SINCE = statement(
    sa.select(*maintenances.c)
    .where(maintenances.c.starts_at > _earliest, maintenances.c.starts_at <= _now, maintenances.c.ends_at > _since)
    .order_by(maintenances.c.starts_at, maintenances.c.id),
    "SELECT maintenances",
)
_BEGUN = statement(
    sa.select(*maintenances.c)
    .where(maintenances.c.starts_at <= _now)
    .order_by(maintenances.c.starts_at.desc(), maintenances.c.id.desc())
    .limit(MOST_AHEAD),
    "SELECT maintenances",
)
_INSERT = insertion(maintenances)
_CHANGEABLE: Final = ("title", "message", "component_ids", "starts_at", "ends_at", "updated_at", "version")
_UPDATE = statement(
    sa.update(maintenances)
    .where(maintenances.c.id == _id)
    .values({name: sa.bindparam(name, type_=maintenances.c[name].type) for name in _CHANGEABLE}),
    "UPDATE maintenances",
)
_DELETE = statement(sa.delete(maintenances).where(maintenances.c.id == _id), "DELETE maintenances")

_CONDITIONS: Final = {
    Phase.SCHEDULED: (maintenances.c.starts_at > _now,),
    Phase.IN_PROGRESS: (
        maintenances.c.starts_at <= _now,
        maintenances.c.starts_at > _earliest,
        maintenances.c.ends_at > _now,
    ),
    Phase.COMPLETED: (maintenances.c.starts_at <= _now, maintenances.c.ends_at <= _now),
    None: (),
}


async def get(connection: Connection, id: UUID) -> Window | None:  # noqa: A002 - the field's name
    """Give a window, or None."""
    row = await connection.one(_GET, id=id)
    return _window(row) if row else None


async def get_for_change(tx: Connection, id: UUID) -> Window | None:  # noqa: A002 - the field's name
    """Give a window, or None, and let no other transaction change it until this one ends."""
    row = await tx.one(_GET_FOR_CHANGE, id=id)
    return _window(row) if row else None


async def list_ahead(connection: Connection, now: datetime) -> list[Window]:
    """Give the first windows that are open or to come, by their start, MOST_AHEAD at most."""
    return [_window(row) for row in await connection.all(_AHEAD, now=now, earliest=now - LONGEST)]


async def list_begun(connection: Connection, now: datetime) -> list[Window]:
    """Give the latest windows that have begun, MOST_AHEAD at most."""
    return [_window(row) for row in await connection.all(_BEGUN, now=now)]


async def list_since(connection: Connection, since: datetime, now: datetime) -> list[Window]:
    """Give the windows of which any part lies between two moments, by their start."""
    rows = await connection.all(_SINCE, since=since, now=now, earliest=since - LONGEST)
    return [_window(row) for row in rows]


async def page(
    connection: Connection, phase: Phase | None, now: datetime, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Window]:
    """Give one page of the windows that stand so to the clock."""
    found = await listing(phase).page(connection, request, cursors, scope, **parameters(phase, now))
    return found.of([_window(row) for row in found.rows])


def parameters(phase: Phase | None, now: datetime) -> dict[str, Any]:
    """Give what the list of a phase leaves open."""
    if phase is None:
        return {}
    return {"now": now, "earliest": now - LONGEST} if phase is Phase.IN_PROGRESS else {"now": now}


@lru_cache(maxsize=4)
def listing(phase: Phase | None) -> Listing:
    """The list of the windows of a phase."""
    listed = sa.select(*maintenances.c).where(*_CONDITIONS[phase])
    return Listing([listed], LATEST_START_FIRST, "maintenances", counted_in_order=True)


async def insert(tx: Connection, window: Window) -> None:
    """Store a new window."""
    await tx.execute(_INSERT, **_row(window))


async def update(tx: Connection, window: Window) -> None:
    """Store a changed window, which the caller has locked."""
    await tx.execute(_UPDATE, **{name: value for name, value in _row(window).items() if name != "created_at"})


async def delete(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Remove a window."""
    await tx.execute(_DELETE, id=id)


def _window(row: Any) -> Window:
    fields = {column.name: getattr(row, column.name) for column in maintenances.c}
    return Window(**fields | {"component_ids": tuple(row.component_ids)})


def _row(window: Window) -> dict[str, Any]:
    return vars(window) | {"component_ids": list(window.component_ids)}
