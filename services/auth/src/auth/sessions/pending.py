"""Sign-ins whose password was right and whose second factor is awaited: their rules, tokens, and all their SQL."""

import secrets as dice
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from auth.secrets import Secrets
from auth.tables import MOMENT, pending_sign_ins
from chassis.database import Connection, statement

LIFETIME: Final = timedelta(minutes=10)
MAX_TRIES: Final = 5
_PREFIX: Final = "nfp_"
_AT_ONCE: Final = 500

_hashed_token = sa.bindparam("hashed_token", type_=sa.LargeBinary)
_INSERT = statement(
    sa.insert(pending_sign_ins).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in pending_sign_ins.c}
    ),
    "INSERT pending_sign_ins",
)
_GET = statement(
    sa.select(*pending_sign_ins.c).where(pending_sign_ins.c.hashed_token == _hashed_token), "SELECT pending_sign_ins"
)
_TRY = statement(
    sa.update(pending_sign_ins)
    .where(pending_sign_ins.c.hashed_token == _hashed_token)
    .values(attempts=pending_sign_ins.c.attempts + 1)
    .returning(*pending_sign_ins.c),
    "UPDATE pending_sign_ins",
)
_REMOVE = statement(
    sa.delete(pending_sign_ins).where(pending_sign_ins.c.hashed_token == _hashed_token), "DELETE pending_sign_ins"
)
_FORGET = statement(
    sa.delete(pending_sign_ins).where(
        pending_sign_ins.c.hashed_token.in_(
            sa.select(pending_sign_ins.c.hashed_token)
            .where(pending_sign_ins.c.expires_at < sa.bindparam("before", type_=MOMENT))
            .order_by(pending_sign_ins.c.expires_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    ),
    "DELETE pending_sign_ins",
)


@dataclass(frozen=True)
class PendingSignIn:
    """A pending sign-in; `attempts` are the tries at its second factor so far."""

    hashed_token: bytes
    account_id: UUID
    password_changed_at: datetime
    attempts: int
    created_at: datetime
    expires_at: datetime

    def good(self, now: datetime) -> bool:
        """Whether a try that `attempts` counts already may be made."""
        return self.attempts <= MAX_TRIES and now < self.expires_at

    @property
    def used_up(self) -> bool:
        """Whether the try that `attempts` counts was the last one."""
        return self.attempts >= MAX_TRIES


async def begin(
    tx: Connection, account_id: UUID, password_changed_at: datetime, secrets: Secrets, now: datetime
) -> tuple[str, PendingSignIn]:
    """Store a new one, and give its token with it."""
    token = _PREFIX + dice.token_urlsafe(32)
    made = PendingSignIn(_hashed(token, secrets), account_id, password_changed_at, 0, now, now + LIFETIME)
    await tx.execute(_INSERT, **vars(made))
    return token, made


async def get(connection: Connection, token: str, secrets: Secrets) -> PendingSignIn | None:
    """Give the one of a token, None when there is none."""
    return _pending(await connection.one(_GET, hashed_token=_hashed(token, secrets)))


async def try_(connection: Connection, token: str, secrets: Secrets) -> PendingSignIn | None:
    """Count a try at the one of a token, and give it as it is with it; to be committed before the try is made."""
    return _pending(await connection.one(_TRY, hashed_token=_hashed(token, secrets)))


async def remove(tx: Connection, pending: PendingSignIn) -> bool:
    """End one; say whether it was still there."""
    return bool(await tx.execute(_REMOVE, hashed_token=pending.hashed_token))


async def forget(connection: Connection, before: datetime) -> int:
    """Remove some of those that expired before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)


def _hashed(token: str, secrets: Secrets) -> bytes:
    return secrets.digest("pending sign-in", token[:200].encode())


def _pending(row: Any) -> PendingSignIn | None:
    return PendingSignIn(**{column.name: getattr(row, column.name) for column in pending_sign_ins.c}) if row else None
