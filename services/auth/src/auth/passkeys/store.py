"""All SQL about passkeys and their challenges."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from auth.passkeys.model import Challenge, Passkey, Purpose
from auth.tables import MOMENT, passkey_challenges, passkeys
from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest

ORDER: Final = Order("-created_at", ("created_at", "id"), descending=True)
_AT_ONCE: Final = 500

_id = sa.bindparam("id", type_=sa.Uuid)
_account_id = sa.bindparam("account_id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_new_count = sa.bindparam("sign_count", type_=sa.BigInteger)
_own = sa.and_(passkeys.c.id == _id, passkeys.c.account_id == _account_id)

_INSERT = statement(
    postgresql.insert(passkeys)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in passkeys.c})
    .on_conflict_do_nothing(index_elements=["credential_id"]),
    "INSERT passkeys",
)
_GET = statement(sa.select(*passkeys.c).where(_own), "SELECT passkeys")
_GET_FOR_CHANGE = statement(sa.select(*passkeys.c).where(_own).with_for_update(), "SELECT passkeys")
_OF = statement(
    sa.select(*passkeys.c).where(passkeys.c.account_id == _account_id).order_by(passkeys.c.created_at, passkeys.c.id),
    "SELECT passkeys",
)
_BY_CREDENTIAL = statement(
    sa.select(*passkeys.c).where(passkeys.c.credential_id == sa.bindparam("credential_id", type_=sa.LargeBinary)),
    "SELECT passkeys",
)
_UPDATE = statement(
    sa.update(passkeys)
    .where(passkeys.c.id == _id)
    .values({name: sa.bindparam(name, type_=passkeys.c[name].type) for name in ("name", "updated_at", "version")}),
    "UPDATE passkeys",
)
# An authenticator's count only ever grows (WebAuthn, section 6.1.1): one that does not says that there is a copy.
_USE = statement(
    sa.update(passkeys)
    .where(
        passkeys.c.id == _id,
        sa.or_(passkeys.c.sign_count < _new_count, sa.and_(passkeys.c.sign_count == 0, _new_count == 0)),
    )
    .values(sign_count=_new_count, synced=sa.bindparam("synced", type_=sa.Boolean), last_used_at=_now),
    "UPDATE passkeys",
)
_DELETE = statement(sa.delete(passkeys).where(_own).returning(passkeys.c.name), "DELETE passkeys")
_COUNT = statement(
    sa.select(sa.func.count().label("total")).select_from(passkeys).where(passkeys.c.account_id == _account_id),
    "COUNT passkeys",
)
_CHALLENGE = statement(
    sa.insert(passkey_challenges).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in passkey_challenges.c}
    ),
    "INSERT passkey_challenges",
)
_TAKE = statement(
    sa.delete(passkey_challenges).where(passkey_challenges.c.id == _id).returning(*passkey_challenges.c),
    "DELETE passkey_challenges",
)
_FORGET = statement(
    sa.delete(passkey_challenges).where(
        passkey_challenges.c.id.in_(
            sa.select(passkey_challenges.c.id)
            .where(passkey_challenges.c.expires_at < sa.bindparam("before", type_=MOMENT))
            .order_by(passkey_challenges.c.expires_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    ),
    "DELETE passkey_challenges",
)
_LISTING = Listing(
    [sa.select(*passkeys.c).where(passkeys.c.account_id == _account_id)], ORDER, "passkeys", counted_in_order=True
)


async def insert(tx: Connection, passkey: Passkey) -> bool:
    """Store a new passkey; say whether nobody has it yet."""
    return bool(await tx.execute(_INSERT, **vars(passkey) | {"transports": list(passkey.transports)}))


async def get(connection: Connection, id: UUID, account_id: UUID) -> Passkey | None:  # noqa: A002 - the field's name
    """Give a passkey of this account, or None."""
    return _passkey(await connection.one(_GET, id=id, account_id=account_id))


async def get_for_change(tx: Connection, id: UUID, account_id: UUID) -> Passkey | None:  # noqa: A002
    """Give what `get` gives, and let nobody else change it until the transaction ends."""
    return _passkey(await tx.one(_GET_FOR_CHANGE, id=id, account_id=account_id))


async def of(connection: Connection, account_id: UUID) -> list[Passkey]:
    """Give all passkeys of an account, the oldest first."""
    return [Passkey(**_fields(row)) for row in await connection.all(_OF, account_id=account_id)]


async def by_credential(connection: Connection, credential_id: bytes) -> Passkey | None:
    """Give the passkey that authenticators know by this id, or None."""
    return _passkey(await connection.one(_BY_CREDENTIAL, credential_id=credential_id))


async def update(tx: Connection, passkey: Passkey) -> None:
    """Store a changed passkey."""
    await tx.execute(_UPDATE, id=passkey.id, name=passkey.name, updated_at=passkey.updated_at, version=passkey.version)


async def use(tx: Connection, id: UUID, sign_count: int, synced: bool, now: datetime) -> bool:  # noqa: A002
    """Note that a passkey was used; say whether it is still there and its count has grown, or there is none."""
    return bool(await tx.execute(_USE, id=id, sign_count=sign_count, synced=synced, now=now))


async def delete(tx: Connection, id: UUID, account_id: UUID) -> str | None:  # noqa: A002 - the field's name
    """Remove a passkey of this account and give its name; None when there was none."""
    row = await tx.one(_DELETE, id=id, account_id=account_id)
    return row.name if row else None


async def count(connection: Connection, account_id: UUID) -> int:
    """Give how many passkeys an account has."""
    return int((await connection.one(_COUNT, account_id=account_id)).total)


async def page(
    connection: Connection, account_id: UUID, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Passkey]:
    """Give one page of an account's passkeys, the newest first."""
    found = await _LISTING.page(connection, request, cursors, scope, account_id=account_id)
    return found.of([Passkey(**_fields(row)) for row in found.rows])


async def challenge(tx: Connection, made: Challenge) -> None:
    """Store a challenge."""
    await tx.execute(_CHALLENGE, **vars(made) | {"purpose": made.purpose.value})


async def take(connection: Connection, id: UUID) -> Challenge | None:  # noqa: A002 - the field's name
    """Use a challenge up; None when it is not there any more."""
    row = await connection.one(_TAKE, id=id)
    return Challenge(row.id, Purpose(row.purpose), row.account_id, row.expires_at) if row else None


async def forget_challenges(connection: Connection, before: datetime) -> int:
    """Remove some of the challenges that expired before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)


def _passkey(row: Any) -> Passkey | None:
    return Passkey(**_fields(row)) if row else None


def _fields(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in passkeys.c} | {"transports": tuple(row.transports)}
