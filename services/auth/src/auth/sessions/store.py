"""All SQL about sessions."""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from auth.accounts.model import Grant
from auth.revocations import telling
from auth.sessions.model import Session
from auth.tables import MOMENT, accounts, user_sessions
from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest

_COLUMNS: Final = tuple(column for column in user_sessions.c if column.name != "hashed_refresh_token")
ORDER: Final = Order("-created_at", ("created_at", "id"), descending=True)
_KNOWN_FOR: Final = timedelta(days=90)
_AT_ONCE: Final = 500

_id = sa.bindparam("id", type_=sa.Uuid)
_user_id = sa.bindparam("user_id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_because = sa.bindparam("because", type_=sa.Text)
_live = sa.and_(user_sessions.c.revoked_at.is_(None), user_sessions.c.expires_at > _now)

_INSERT = statement(
    sa.insert(user_sessions).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in user_sessions.c}
    ),
    "INSERT user_sessions",
)
_GET_FOR_CHANGE = statement(
    sa.select(*_COLUMNS, accounts.c.roles, accounts.c.roles_version)
    .join(accounts, accounts.c.id == user_sessions.c.user_id)
    .where(user_sessions.c.id == _id)
    .with_for_update(of=user_sessions),
    "SELECT user_sessions",
)
_GET_OWN = statement(
    sa.select(*_COLUMNS).where(user_sessions.c.id == _id, user_sessions.c.user_id == _user_id, _live),
    "SELECT user_sessions",
)
_rotated = ("generation", "hashed_refresh_token", "rotated_at", "last_used_at", "address", "expires_at")
_ROTATE = statement(
    sa.update(user_sessions)
    .where(user_sessions.c.id == _id)
    .values({name: sa.bindparam(name, type_=user_sessions.c[name].type) for name in _rotated}),
    "UPDATE user_sessions",
)
_LABEL = statement(
    sa.update(user_sessions)
    .where(user_sessions.c.id == _id, user_sessions.c.user_id == _user_id, _live)
    .values(label=sa.bindparam("label", type_=sa.Text))
    .returning(*_COLUMNS),
    "UPDATE user_sessions",
)
_PROVE = statement(
    sa.update(user_sessions)
    .where(user_sessions.c.id == _id, user_sessions.c.user_id == _user_id, _live)
    .values(
        proved_at=_now,
        factor_proved_at=sa.case(
            (sa.bindparam("with_factor", type_=sa.Boolean), _now), else_=user_sessions.c.factor_proved_at
        ),
    ),
    "UPDATE user_sessions",
)


def _revoking(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return telling(sa.update(user_sessions).where(_live, condition).values(revoked_at=_now, revoked_because=_because))


_REVOKE = statement(_revoking(user_sessions.c.id == _id), "UPDATE user_sessions")
_REVOKE_OWN = statement(
    _revoking(sa.and_(user_sessions.c.id == _id, user_sessions.c.user_id == _user_id)), "UPDATE user_sessions"
)
_REVOKE_OTHERS = statement(
    _revoking(
        sa.and_(user_sessions.c.user_id == _user_id, user_sessions.c.id != sa.bindparam("except_id", type_=sa.Uuid))
    ),
    "UPDATE user_sessions",
)
_KNOWN = statement(
    sa.select(
        sa.exists()
        .where(
            user_sessions.c.user_id == _user_id,
            user_sessions.c.address == sa.bindparam("address", type_=sa.Text),
            user_sessions.c.created_at > sa.bindparam("since", type_=MOMENT),
        )
        .label("known")
    ),
    "SELECT user_sessions",
)
_old_sessions = (
    sa.select(user_sessions.c.id)
    .where(user_sessions.c.expires_at < sa.bindparam("before", type_=MOMENT))
    .order_by(user_sessions.c.expires_at)
    .limit(_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_revoked_sessions = (
    sa.select(user_sessions.c.id)
    .where(user_sessions.c.revoked_at < sa.bindparam("before", type_=MOMENT))
    .order_by(user_sessions.c.revoked_at)
    .limit(_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_PRUNE = tuple(
    statement(sa.delete(user_sessions).where(user_sessions.c.id.in_(chosen.scalar_subquery())), "DELETE user_sessions")
    for chosen in (_old_sessions, _revoked_sessions)
)
_LISTING = Listing([sa.select(*_COLUMNS).where(user_sessions.c.user_id == _user_id, _live)], ORDER, "user_sessions")


async def insert(tx: Connection, session: Session, hashed_refresh_token: bytes) -> None:
    """Store a new session."""
    await tx.execute(_INSERT, **vars(session), hashed_refresh_token=hashed_refresh_token)


async def get_for_change(tx: Connection, id: UUID) -> tuple[Session, Grant] | None:  # noqa: A002 - the field's name
    """Give a session and its owner's roles, and let nobody else change it until the transaction ends."""
    row = await tx.one(_GET_FOR_CHANGE, id=id)
    return (_session(row), Grant.of(row.user_id, row.roles, row.roles_version)) if row else None


async def get_own(connection: Connection, id: UUID, user_id: UUID, now: datetime) -> Session | None:  # noqa: A002
    """Give a live session of this person, or None."""
    row = await connection.one(_GET_OWN, id=id, user_id=user_id, now=now)
    return _session(row) if row else None


async def rotate(tx: Connection, session: Session, hashed_refresh_token: bytes) -> None:
    """Store a session's next generation."""
    values = {name: getattr(session, name) for name in _rotated if name != "hashed_refresh_token"}
    await tx.execute(_ROTATE, id=session.id, hashed_refresh_token=hashed_refresh_token, **values)


async def label(tx: Connection, id: UUID, user_id: UUID, text: str, now: datetime) -> Session | None:  # noqa: A002
    """Give a live session of this person another label; None when there is no such session."""
    row = await tx.one(_LABEL, id=id, user_id=user_id, label=text, now=now)
    return _session(row) if row else None


async def prove(tx: Connection, id: UUID, user_id: UUID, now: datetime, *, with_factor: bool) -> bool:  # noqa: A002
    """Note that somebody proved who they are, by a second factor or not; say whether there is such a live session."""
    return bool(await tx.execute(_PROVE, id=id, user_id=user_id, now=now, with_factor=with_factor))


async def revoke(tx: Connection, id: UUID, because: str, now: datetime) -> bool:  # noqa: A002 - the field's name
    """End a session, whosever it is; say whether it was live."""
    return bool(await tx.all(_REVOKE, id=id, because=because, now=now))


async def revoke_own(tx: Connection, id: UUID, user_id: UUID, because: str, now: datetime) -> bool:  # noqa: A002
    """End a session of this person; say whether there was such a live session."""
    return bool(await tx.all(_REVOKE_OWN, id=id, user_id=user_id, because=because, now=now))


async def revoke_others(tx: Connection, user_id: UUID, kept: UUID, because: str, now: datetime) -> list[UUID]:
    """End all live sessions of a person but one, which need not exist; give which."""
    rows = await tx.all(_REVOKE_OTHERS, user_id=user_id, except_id=kept, because=because, now=now)
    return [row.id for row in rows]


async def known_network(connection: Connection, user_id: UUID, address: str, now: datetime) -> bool:
    """Whether this person has signed in from this network within 90 days."""
    row = await connection.one(_KNOWN, user_id=user_id, address=address, since=now - _KNOWN_FOR)
    return bool(row.known)


async def page(
    connection: Connection, user_id: UUID, now: datetime, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Session]:
    """Give one page of a person's live sessions, the newest first."""
    found = await _LISTING.page(connection, request, cursors, scope, user_id=user_id, now=now)
    return found.of([_session(row) for row in found.rows])


async def prune(connection: Connection, before: datetime) -> int:
    """Remove some of the sessions that ended before; give how many, 0 when none are left."""
    return sum([await connection.execute(chosen, before=before) for chosen in _PRUNE])


def _session(row: Any) -> Session:
    return Session(**{column.name: getattr(row, column.name) for column in _COLUMNS})
