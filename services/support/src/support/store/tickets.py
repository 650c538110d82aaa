"""The SQL of tickets.

A list is walked in its order by an index behind the columns that the filter fixes. Where the filter leaves open a
column that stands between them (the priority behind a status, the status behind an assignee), the list is the union of
its four values, each walked by itself: no list reads further than its page, however long it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from chassis.search import Found
from support.model.targets import Priority, Targets
from support.model.ticket import Filter, Status, Ticket
from support.store import search
from support.tables import MOMENT, NEVER, NOBODY, tickets

_COLUMNS: Final = tuple(tickets.c)

_id = sa.bindparam("id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)

_GET = statement(sa.select(*_COLUMNS).where(tickets.c.id == _id), "SELECT tickets")
_GET_FOR_CHANGE = statement(sa.select(*_COLUMNS).where(tickets.c.id == _id).with_for_update(), "SELECT tickets")
_INSERT = statement(
    sa.insert(tickets).values({c.name: sa.bindparam(c.name, type_=c.type) for c in _COLUMNS}), "INSERT tickets"
)
_STATUSES: Final[list[sa.ColumnElement[Any]]] = [sa.literal_column(f"'{status}'") for status in Status]
_PRIORITIES: Final[list[sa.ColumnElement[Any]]] = [sa.literal_column(str(priority.value)) for priority in Priority]
_UUIDS: Final = sa.ARRAY(sa.Uuid)
HEAD: Final = 300
"""So many tickets at the head of a list are held against a text that many mention."""
_FIXED: Final = {"id", "requester_id", "created_at"}
_UPDATE = statement(
    sa.update(tickets)
    .where(tickets.c.id == _id)
    .values({c.name: sa.bindparam(c.name, type_=c.type) for c in _COLUMNS if c.name not in _FIXED}),
    "UPDATE tickets",
)
_MISSED = statement(
    sa.select(*_COLUMNS)
    .where(tickets.c.breach_at < _now)
    .order_by(tickets.c.breach_at)
    .limit(sa.bindparam("most", type_=sa.Integer))
    .with_for_update(skip_locked=True),
    "SELECT tickets",
)


async def get(connection: Connection, id: UUID) -> Ticket | None:  # noqa: A002 - the field's name
    """Give a ticket, or None."""
    return _found(await connection.one(_GET, id=id))


async def get_for_change(tx: Connection, id: UUID) -> Ticket | None:  # noqa: A002 - the field's name
    """Give a ticket, and let no other transaction change it until this one ends; or None."""
    return _found(await tx.one(_GET_FOR_CHANGE, id=id))


async def insert(tx: Connection, ticket: Ticket) -> None:
    """Store a new ticket."""
    await tx.execute(_INSERT, **_row(ticket))


async def update(tx: Connection, ticket: Ticket) -> None:
    """Store a ticket that `get_for_change` gave, as it is now."""
    await tx.execute(_UPDATE, **{name: value for name, value in _row(ticket).items() if name not in _FIXED - {"id"}})


async def missed(tx: Connection, now: datetime, most: int) -> list[Ticket]:
    """Give, for change, up to `most` tickets that missed a target before `now` which is not noted yet."""
    return [_ticket(row) for row in await tx.all(_MISSED, now=now, most=most)]


async def page(
    connection: Connection,
    wanted: Filter,
    customer: UUID | None,
    now: datetime,
    order: Order,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[Ticket]:
    """Give one page of the tickets that the filter lets through: of a customer their own, without any of all."""
    parameters: dict[str, Any] = {}
    if wanted.status:
        parameters["status"] = wanted.status.value
    if wanted.priority:
        parameters["priority"] = wanted.priority.value
    if wanted.unassigned or wanted.assignee_id:
        parameters["assignee_id"] = wanted.assignee_id or NOBODY
    if wanted.labels:
        parameters["labels"] = list(wanted.labels)
    if wanted.requester_id:
        parameters["requester_id"] = wanted.requester_id
    if wanted.overdue:
        parameters["now"] = now
    if customer:
        parameters["customer"] = customer
    complete = True
    if wanted.text:
        found = await _search(connection, wanted, customer, order, parameters)
        parameters["ids"], complete = found.ids, found.complete
    listing = _listing(order, frozenset(parameters))
    page = await listing.page(connection, request, cursors, scope, **parameters)
    return replace(page.of([_ticket(row) for row in page.rows]), total_exact=page.total_exact and complete)


async def _search(
    connection: Connection, wanted: Filter, customer: UUID | None, order: Order, parameters: Mapping[str, Any]
) -> Found:
    """Find the tickets that mention the text: all of them, or of many the latest and what heads the list."""
    with_notes = customer is None
    requester = customer or wanted.requester_id
    found = (
        await search.mentions_of(connection, wanted.text, requester, with_notes=with_notes)
        if requester
        else await search.mentions(connection, wanted.text)
    )
    if found.complete:
        return found
    head = await _keys(order, frozenset(parameters)).head(connection, HEAD, **parameters)
    ids = [row.id for row in head]
    listed = await search.mentioning(connection, wanted.text, ids, beginnings=found.beginnings, with_notes=with_notes)
    return Found(list({*found.ids, *listed}), complete=len(head) < HEAD)


@lru_cache(maxsize=512)
def _listing(order: Order, given: frozenset[str]) -> Listing:
    """The list in this order with these filters given."""
    return _listed(order, given, tuple(tickets.c.keys()))


@lru_cache(maxsize=512)
def _keys(order: Order, given: frozenset[str]) -> Listing:
    """The same list, of each ticket only what it is ordered by."""
    return _listed(order, given, order.columns)


def _listed(order: Order, given: frozenset[str], columns: Sequence[str]) -> Listing:
    rows: Any = tickets
    if "ids" in given:
        rows = _gathered(sa.select(*_COLUMNS).where(tickets.c.id == sa.func.any(sa.bindparam("ids", type_=_UUIDS))))
    fixed = ("status", "priority", "assignee_id", "requester_id")
    conditions = [rows.c[name] == _value(name) for name in fixed if name in given]
    if "customer" in given:
        conditions.append(rows.c.requester_id == sa.bindparam("customer", type_=sa.Uuid))
    if "labels" in given:
        conditions.append(rows.c.labels.contains(_value("labels")))
    branches = _branches(order, given, rows, sa.select(*(rows.c[name] for name in columns)).where(*conditions))
    # Some labels are on half of the tickets and some on none: no plan is good for all.
    prepared = False if "labels" in given else None
    return Listing(branches, order, "tickets", counted_in_order=True, prepared=prepared)


def _branches(order: Order, given: frozenset[str], rows: Any, wanted: sa.Select[Any]) -> Sequence[sa.Select[Any]]:
    if "now" in given:
        # What is noted as overdue, and what has come to be so since.
        fresh = _gathered(wanted.where(~rows.c.overdue, rows.c.breach_at < _now))
        return [wanted.where(rows.c.overdue), sa.select(*fresh.c)]
    if given.isdisjoint({"ids", "labels", "customer", "requester_id"}):
        if "assignee_id" in given and "status" not in given:
            return [wanted.where(rows.c.status == each) for each in _STATUSES]
        if "priority" in given and "status" not in given:
            return [wanted.where(rows.c.status == each) for each in _STATUSES]
        if "status" in given and given.isdisjoint({"priority", "assignee_id"}) and order.columns[0] != "priority":
            return [wanted.where(rows.c.priority == each) for each in _PRIORITIES]
    return [wanted]


def _gathered(few: sa.Select[Any]) -> sa.Subquery:
    """Few rows, all read before anything else is asked of them (OFFSET 0 is what the planner doesn't look behind)."""
    return few.offset(0).subquery()


def _value(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(name, type_=tickets.c[name].type if name in tickets.c else sa.Text())


def _found(row: Any) -> Ticket | None:
    return _ticket(row) if row else None


def _ticket(row: Any) -> Ticket:
    return Ticket(
        id=row.id,
        subject=row.subject,
        status=Status(row.status),
        priority=Priority(row.priority),
        requester_id=row.requester_id,
        assignee_id=None if row.assignee_id == NOBODY else row.assignee_id,
        labels=tuple(row.labels),
        contact_email=row.contact_email,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        targets=Targets(
            first_response_due_at=row.first_response_due_at,
            first_responded_at=row.first_responded_at,
            first_response_breached=row.first_response_breached,
            resolution_within=row.resolution_within,
            run_before=row.run_before,
            running_since=row.running_since,
            solved_at=row.solved_at,
            resolution_breached=row.resolution_breached,
        ),
    )


def _row(ticket: Ticket) -> dict[str, Any]:
    targets = ticket.targets
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "status": ticket.status.value,
        "priority": ticket.priority.value,
        "requester_id": ticket.requester_id,
        "assignee_id": ticket.assignee_id or NOBODY,
        "labels": list(ticket.labels),
        "contact_email": ticket.contact_email,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
        "version": ticket.version,
        "first_response_due_at": targets.first_response_due_at,
        "first_responded_at": targets.first_responded_at,
        "first_response_breached": targets.first_response_breached,
        "resolution_within": targets.resolution_within,
        "run_before": targets.run_before,
        "running_since": targets.running_since,
        "solved_at": targets.solved_at,
        "resolution_breached": targets.resolution_breached,
        "due_at": targets.due_at or NEVER,
        "overdue": targets.is_overdue,
        "breach_at": targets.breach_at or NEVER,
    }
