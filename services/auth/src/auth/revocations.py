"""What gateways are told to refuse, and all SQL about it: sessions, personal access tokens, grants of roles, by id."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from auth.tables import MOMENT, revocations
from chassis.database import Connection, statement

_AT_ONCE: Final = 500

_SINCE = statement(
    sa.select(revocations.c.id).where(revocations.c.revoked_at > sa.bindparam("since", type_=MOMENT)),
    "SELECT revocations",
)
_CLOCK = statement(sa.select(sa.func.now().label("now")), "SELECT now")
_TELL = statement(
    postgresql.insert(revocations)
    .values(id=sa.bindparam("id", type_=sa.Uuid), revoked_at=sa.func.clock_timestamp())
    .on_conflict_do_nothing(),
    "INSERT revocations",
)
_FORGET = statement(
    sa.delete(revocations).where(
        revocations.c.id.in_(
            sa.select(revocations.c.id)
            .where(revocations.c.revoked_at < sa.bindparam("before", type_=MOMENT))
            .order_by(revocations.c.revoked_at)
            .limit(_AT_ONCE)
            .scalar_subquery()
        )
    ),
    "DELETE revocations",
)


def telling(ending: sa.Update | sa.Delete) -> sa.Select[Any]:
    """End rows, and tell gateways in the same statement; gives their ids."""
    ended = ending.returning(ending.table.c.id).cte("ended")
    told = (
        postgresql.insert(revocations)
        .from_select(["id", "revoked_at"], sa.select(ended.c.id, sa.func.clock_timestamp()))
        .on_conflict_do_nothing()
        .cte("told")
    )
    return sa.select(ended.c.id).add_cte(told)


async def tell(tx: Connection, id: UUID) -> None:  # noqa: A002 - the field's name
    """Have gateways refuse what has this id."""
    await tx.execute(_TELL, id=id)


async def told_since(connection: Connection, since: datetime) -> list[UUID]:
    """Give what was revoked after a moment, on the database's clock."""
    return [row.id for row in await connection.all(_SINCE, since=since)]


async def database_now(connection: Connection) -> datetime:
    """Give the time on the database's clock, which all replicas share."""
    now: datetime = (await connection.one(_CLOCK)).now
    return now


async def forget(connection: Connection, before: datetime) -> int:
    """Remove some of the revocations from before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)
