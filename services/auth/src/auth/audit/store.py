"""All SQL about the audit trail."""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb
from sqlalchemy.dialects import postgresql

from auth.audit.chain import Entry, Head
from auth.tables import audit_entries, audit_head
from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest

ORDER: Final = Order("-created_at", ("created_at", "id"), descending=True)

# Entries are chained, so they are written one after another: the lock is had until the writer's transaction ends.
_LOCK = statement(sa.text("SELECT pg_advisory_xact_lock(hashtextextended('auth.audit', 0))"), "LOCK audit_entries")
_newest = sa.select(audit_entries.c.position, audit_entries.c.hash).order_by(audit_entries.c.position.desc()).limit(1)
_ends = sa.union_all(_newest.subquery().select(), sa.select(audit_head.c.position, audit_head.c.hash)).subquery()
# The head as well, so that what is written after the end was cut off does not take the place of what was there.
_LAST = statement(sa.select(*_ends.c).order_by(_ends.c.position.desc()).limit(1), "SELECT audit_entries")
_HEAD = statement(sa.select(audit_head.c.position, audit_head.c.hash, audit_head.c.seal), "SELECT audit_head")
_moved = postgresql.insert(audit_head).values(
    id=1,
    position=sa.bindparam("position", type_=sa.BigInteger),
    hash=sa.bindparam("hash", type_=sa.LargeBinary),
    seal=sa.bindparam("seal", type_=sa.LargeBinary),
)
_INSERT = statement(
    sa.insert(audit_entries)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in audit_entries.c})
    .add_cte(
        _moved.on_conflict_do_update(
            index_elements=["id"], set_={name: _moved.excluded[name] for name in ("position", "hash", "seal")}
        ).cte("moved")
    ),
    "INSERT audit_entries",
)
_AFTER = statement(
    sa.select(*audit_entries.c)
    .where(audit_entries.c.position > sa.bindparam("position", type_=sa.BigInteger))
    .order_by(audit_entries.c.position)
    .limit(sa.bindparam("limit", type_=sa.Integer)),
    "SELECT audit_entries",
)
_OWN = Listing(
    [sa.select(*audit_entries.c).where(audit_entries.c.account_id == sa.bindparam("account_id", type_=sa.Uuid))],
    ORDER,
    "audit_entries",
    counted_in_order=True,
)
_EVERYBODY = Listing([sa.select(*audit_entries.c)], ORDER, "audit_entries", counted_in_order=True)


async def last(tx: Connection) -> tuple[int, bytes] | None:
    """Give position and hash of the last entry, and let nobody else add one until the transaction ends."""
    await tx.one(_LOCK)
    row = await tx.one(_LAST)
    return (row.position, row.hash) if row else None


async def insert(tx: Connection, entry: Entry, head: Head) -> None:
    """Add an entry, with which the chain ends now."""
    await tx.execute(_INSERT, **vars(entry) | {"details": Jsonb(dict(entry.details)), "seal": head.seal})


async def head(connection: Connection) -> Head | None:
    """Give where the chain ends; None before the first entry."""
    row = await connection.one(_HEAD)
    return Head(row.position, row.hash, row.seal) if row else None


async def after(connection: Connection, position: int, limit: int) -> list[Entry]:
    """Give entries in the order of the chain."""
    return [_entry(row) for row in await connection.all(_AFTER, position=position, limit=limit)]


async def page(
    connection: Connection, account_id: UUID | None, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Entry]:
    """Give one page of the entries about an account, or of all where that is None."""
    if account_id is None:
        found = await _EVERYBODY.page(connection, request, cursors, scope)
    else:
        found = await _OWN.page(connection, request, cursors, scope, account_id=account_id)
    return found.of([_entry(row) for row in found.rows])


def _entry(row: Any) -> Entry:
    return Entry(**{column.name: getattr(row, column.name) for column in audit_entries.c})
