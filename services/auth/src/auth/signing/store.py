"""All SQL about signing keys."""

from typing import Any

import sqlalchemy as sa

from auth.signing.keys import SigningKey
from auth.tables import signing_keys
from chassis.database import Connection, statement

# Whoever makes a key waits for whoever is making one.
_LOCK = statement(
    sa.text("SELECT pg_advisory_xact_lock(hashtextextended('auth.signing_keys', 0))"), "LOCK signing_keys"
)
_ALL = statement(sa.select(*signing_keys.c).order_by(signing_keys.c.signs_from), "SELECT signing_keys")
_INSERT = statement(
    sa.insert(signing_keys).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in signing_keys.c}
    ),
    "INSERT signing_keys",
)
_DELETE = statement(
    sa.delete(signing_keys).where(signing_keys.c.id == sa.bindparam("id", type_=sa.Text)), "DELETE signing_keys"
)


async def lock(tx: Connection) -> None:
    """Let nobody else make or remove keys until the transaction ends."""
    await tx.one(_LOCK)


async def all_keys(connection: Connection) -> list[SigningKey]:
    """Give every key that is kept."""
    return [_key(row) for row in await connection.all(_ALL)]


async def insert(tx: Connection, key: SigningKey) -> None:
    """Store a new key."""
    await tx.execute(_INSERT, **vars(key))


async def delete(tx: Connection, id: str) -> None:  # noqa: A002 - the field's name
    """Remove a key."""
    await tx.execute(_DELETE, id=id)


def _key(row: Any) -> SigningKey:
    return SigningKey(**{column.name: getattr(row, column.name) for column in signing_keys.c})
