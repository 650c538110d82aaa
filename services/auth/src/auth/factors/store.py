"""All SQL about second factors and recovery codes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from auth.factors.model import Totp
from auth.tables import MOMENT, recovery_codes, totp_factors
from chassis.database import Connection, statement

_account_id = sa.bindparam("account_id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_step = sa.bindparam("step", type_=sa.BigInteger)
_hashed_code = sa.bindparam("hashed_code", type_=sa.LargeBinary)
_VALUES: Final = {column.name: sa.bindparam(column.name, type_=column.type) for column in totp_factors.c}

_GET = statement(sa.select(*totp_factors.c).where(totp_factors.c.account_id == _account_id), "SELECT totp_factors")
# In place of one that was never confirmed.
_BEGIN = statement(
    postgresql.insert(totp_factors)
    .values(_VALUES)
    .on_conflict_do_update(
        index_elements=["account_id"],
        set_={name: value for name, value in _VALUES.items() if name != "account_id"},
        where=totp_factors.c.confirmed_at.is_(None),
    ),
    "INSERT totp_factors",
)
# The code's step moves the last one forward, or the code was used: whoever comes second finds it moved.
_CONFIRM = statement(
    sa.update(totp_factors)
    .where(
        totp_factors.c.account_id == _account_id,
        totp_factors.c.sealed_secret == sa.bindparam("sealed_secret", type_=sa.LargeBinary),
        totp_factors.c.confirmed_at.is_(None),
        totp_factors.c.last_step < _step,
    )
    .values(confirmed_at=_now, last_step=_step),
    "UPDATE totp_factors",
)
_USE = statement(
    sa.update(totp_factors)
    .where(
        totp_factors.c.account_id == _account_id,
        totp_factors.c.sealed_secret == sa.bindparam("sealed_secret", type_=sa.LargeBinary),
        totp_factors.c.confirmed_at.is_not(None),
        totp_factors.c.last_step < _step,
    )
    .values(last_step=_step),
    "UPDATE totp_factors",
)
_DISABLE = statement(
    sa.delete(totp_factors).where(totp_factors.c.account_id == _account_id, totp_factors.c.confirmed_at.is_not(None)),
    "DELETE totp_factors",
)
_ADD_CODE = statement(
    sa.insert(recovery_codes).values(account_id=_account_id, hashed_code=_hashed_code), "INSERT recovery_codes"
)
_DROP_CODES = statement(
    sa.delete(recovery_codes).where(recovery_codes.c.account_id == _account_id), "DELETE recovery_codes"
)
_USE_CODE = statement(
    sa.update(recovery_codes)
    .where(
        recovery_codes.c.account_id == _account_id,
        recovery_codes.c.hashed_code == _hashed_code,
        recovery_codes.c.used_at.is_(None),
    )
    .values(used_at=_now),
    "UPDATE recovery_codes",
)
_LEFT = statement(
    sa.select(sa.func.count().label("total"))
    .select_from(recovery_codes)
    .where(recovery_codes.c.account_id == _account_id, recovery_codes.c.used_at.is_(None)),
    "COUNT recovery_codes",
)


async def get(connection: Connection, account_id: UUID) -> Totp | None:
    """Give the authenticator app of an account, confirmed or not; None when there is none."""
    row: Any = await connection.one(_GET, account_id=account_id)
    return Totp(**{column.name: getattr(row, column.name) for column in totp_factors.c}) if row else None


async def enabled(connection: Connection, account_id: UUID) -> bool:
    """Whether an account's second factor is on."""
    found = await get(connection, account_id)
    return found is not None and found.confirmed_at is not None


async def begin(tx: Connection, totp: Totp) -> bool:
    """Store an app to be confirmed in place of another such; say whether none is on already."""
    return bool(await tx.execute(_BEGIN, **vars(totp)))


async def confirm(tx: Connection, totp: Totp, step: int, now: datetime) -> bool:
    """Turn an account's second factor on by the code of a time step; say whether it was this one that did."""
    found = await tx.execute(_CONFIRM, account_id=totp.account_id, sealed_secret=totp.sealed_secret, step=step, now=now)
    return bool(found)


async def use(tx: Connection, totp: Totp, step: int) -> bool:
    """Use the code of a time step up; say whether it was still good."""
    return bool(await tx.execute(_USE, account_id=totp.account_id, sealed_secret=totp.sealed_secret, step=step))


async def disable(tx: Connection, account_id: UUID) -> bool:
    """Remove an account's second factor and its recovery codes; say whether it was on."""
    found = bool(await tx.execute(_DISABLE, account_id=account_id))
    if found:
        await tx.execute(_DROP_CODES, account_id=account_id)
    return found


async def replace_codes(tx: Connection, account_id: UUID, hashed_codes: Sequence[bytes]) -> None:
    """Store other recovery codes in place of all of an account's."""
    await tx.execute(_DROP_CODES, account_id=account_id)
    for hashed_code in hashed_codes:
        await tx.execute(_ADD_CODE, account_id=account_id, hashed_code=hashed_code)


async def use_code(tx: Connection, account_id: UUID, hashed_code: bytes, now: datetime) -> bool:
    """Use a recovery code up; say whether it was still good."""
    return bool(await tx.execute(_USE_CODE, account_id=account_id, hashed_code=hashed_code, now=now))


async def codes_left(connection: Connection, account_id: UUID) -> int:
    """Give how many recovery codes of an account are still good."""
    return int((await connection.one(_LEFT, account_id=account_id)).total)
