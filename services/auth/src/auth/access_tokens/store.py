"""All SQL about personal access tokens."""

from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from auth.access_tokens.model import AccessToken, Scope
from auth.accounts.model import Grant
from auth.revocations import telling
from auth.tables import MOMENT, access_tokens, accounts
from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest

_COLUMNS: Final = tuple(column for column in access_tokens.c if column.name != "hashed_token")
ORDER: Final = Order("-created_at", ("created_at", "id"), descending=True)
_AT_ONCE: Final = 500

_id = sa.bindparam("id", type_=sa.Uuid)
_owner_id = sa.bindparam("owner_id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_own = sa.and_(access_tokens.c.id == _id, access_tokens.c.owner_id == _owner_id)

_INSERT = statement(
    sa.insert(access_tokens).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in access_tokens.c}
    ),
    "INSERT access_tokens",
)
_COUNT = statement(
    sa.select(sa.func.count().label("total")).select_from(access_tokens).where(access_tokens.c.owner_id == _owner_id),
    "COUNT access_tokens",
)
_GET = statement(sa.select(*_COLUMNS).where(_own), "SELECT access_tokens")
_GET_FOR_CHANGE = statement(sa.select(*_COLUMNS).where(_own).with_for_update(), "SELECT access_tokens")
_UPDATE = statement(
    sa.update(access_tokens)
    .where(access_tokens.c.id == _id)
    .values({name: sa.bindparam(name, type_=access_tokens.c[name].type) for name in ("name", "updated_at", "version")}),
    "UPDATE access_tokens",
)
_REVOKE = statement(telling(sa.delete(access_tokens).where(_own)), "DELETE access_tokens")
_REVOKE_ALL = statement(
    telling(sa.delete(access_tokens).where(access_tokens.c.owner_id == _owner_id)), "DELETE access_tokens"
)
_RESOLVE = statement(
    sa.select(*_COLUMNS, access_tokens.c.hashed_token, accounts.c.roles, accounts.c.roles_version)
    .join(accounts, accounts.c.id == access_tokens.c.owner_id)
    .where(access_tokens.c.id == _id, access_tokens.c.expires_at > _now),
    "SELECT access_tokens",
)
_USED = statement(
    sa.update(access_tokens).where(access_tokens.c.id == _id).values(last_used_at=_now), "UPDATE access_tokens"
)
_FORGET = statement(
    sa.delete(access_tokens).where(
        access_tokens.c.id.in_(
            sa.select(access_tokens.c.id)
            .where(access_tokens.c.expires_at < sa.bindparam("before", type_=MOMENT))
            .order_by(access_tokens.c.expires_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    ),
    "DELETE access_tokens",
)


@cache
def _listing(of_scope: bool) -> Listing:
    conditions = [access_tokens.c.owner_id == _owner_id]
    if of_scope:
        conditions.append(access_tokens.c.scope == sa.bindparam("scope", type_=sa.Text))
    return Listing([sa.select(*_COLUMNS).where(*conditions)], ORDER, "access_tokens", counted_in_order=True)


async def count(connection: Connection, owner_id: UUID) -> int:
    """Give how many tokens a person has."""
    return int((await connection.one(_COUNT, owner_id=owner_id)).total)


async def insert(tx: Connection, token: AccessToken, hashed_token: bytes) -> None:
    """Store a new token."""
    await tx.execute(_INSERT, **vars(token) | {"scope": token.scope.value, "hashed_token": hashed_token})


async def get(connection: Connection, id: UUID, owner_id: UUID) -> AccessToken | None:  # noqa: A002 - the field's name
    """Give a token of this person, or None."""
    row = await connection.one(_GET, id=id, owner_id=owner_id)
    return _token(row) if row else None


async def get_for_change(tx: Connection, id: UUID, owner_id: UUID) -> AccessToken | None:  # noqa: A002
    """Give what `get` gives, and let nobody else change it until the transaction ends."""
    row = await tx.one(_GET_FOR_CHANGE, id=id, owner_id=owner_id)
    return _token(row) if row else None


async def update(tx: Connection, token: AccessToken) -> None:
    """Store a changed token."""
    await tx.execute(_UPDATE, id=token.id, name=token.name, updated_at=token.updated_at, version=token.version)


async def revoke(tx: Connection, id: UUID, owner_id: UUID) -> bool:  # noqa: A002 - the field's name
    """Remove a token of this person, and have gateways refuse it; say whether there was one."""
    return bool(await tx.all(_REVOKE, id=id, owner_id=owner_id))


async def revoke_all(tx: Connection, owner_id: UUID) -> int:
    """Remove all tokens of a person, and have gateways refuse them; give how many there were."""
    return len(await tx.all(_REVOKE_ALL, owner_id=owner_id))


async def resolve(
    connection: Connection,
    id: UUID,  # noqa: A002 - the field's name
    now: datetime,
) -> tuple[AccessToken, bytes, Grant] | None:
    """Give a token that has not expired, its hash and its owner's roles; None when there is none."""
    row = await connection.one(_RESOLVE, id=id, now=now)
    if row is None:
        return None
    return _token(row), row.hashed_token, Grant.of(row.owner_id, row.roles, row.roles_version)


async def used(connection: Connection, id: UUID, now: datetime) -> None:  # noqa: A002 - the field's name
    """Note that a token was used."""
    await connection.execute(_USED, id=id, now=now)


async def page(
    connection: Connection,
    owner_id: UUID,
    scope_wanted: Scope | None,
    request: PageRequest,
    cursors: Cursors,
    scope: str,
) -> Page[AccessToken]:
    """Give one page of a person's tokens, the newest first."""
    parameters: dict[str, Any] = {"owner_id": owner_id}
    if scope_wanted:
        parameters["scope"] = scope_wanted.value
    found = await _listing(scope_wanted is not None).page(connection, request, cursors, scope, **parameters)
    return found.of([_token(row) for row in found.rows])


async def forget(connection: Connection, before: datetime) -> int:
    """Remove some of the tokens that expired before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)


def _token(row: Any) -> AccessToken:
    fields = {column.name: getattr(row, column.name) for column in _COLUMNS}
    return AccessToken(**fields | {"scope": Scope(row.scope)})
