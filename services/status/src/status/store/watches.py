"""All SQL on what the prober has counted."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Connection, statement
from status.model.watch import Watch
from status.tables import watches

_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GET = statement(
    sa.select(*watches.c).where(watches.c.component_id == sa.bindparam("id", type_=sa.Uuid)), "SELECT watches"
)
_made = insert(watches).values({column.name: sa.bindparam(column.name, type_=column.type) for column in watches.c})
_PUT = statement(
    _made.on_conflict_do_update(
        index_elements=["component_id"],
        set_={name: _made.excluded[name] for name in ("failures", "successes", "seen_at")},
    ),
    "INSERT watches",
)


async def get(connection: Connection, component_id: UUID) -> Watch:
    """Give what was counted of a component so far."""
    row = await connection.one(_GET, id=component_id)
    return Watch(component_id, row.failures, row.successes, row.seen_at) if row else Watch(component_id, 0, 0, _NEVER)


async def put(tx: Connection, watch: Watch) -> None:
    """Store what is counted now; the caller holds the component's lock."""
    await tx.execute(_PUT, **vars(watch))
