"""All SQL on invitations."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as insert_or

from chassis.database import Connection, statement
from projects.invitations.model import KEPT, MAX_SENT_WITHIN, Invitation
from projects.model import Role
from projects.tables import MOMENT, invitations, projects

_FORGOTTEN_AT_ONCE: Final = 1_000

_id = sa.bindparam("id", type_=sa.Uuid)
_project_id = sa.bindparam("project_id", type_=sa.Uuid)
_now = sa.bindparam("now", type_=MOMENT)
_open = invitations.c.accepted_at.is_(None)
_pending = sa.and_(_open, invitations.c.expires_at > _now)

_RENEWED: Final = ("email", "name", "role", "language", "invited_by", "sent_at", "expires_at")
_new = insert_or(invitations).values({c.name: sa.bindparam(c.name, type_=c.type) for c in invitations.c})
_INVITE = statement(
    _new.on_conflict_do_update(
        index_elements=["project_id", "email_key"],
        index_where=_open,
        set_={name: _new.excluded[name] for name in _RENEWED} | {"generation": invitations.c.generation + 1},
    ).returning(*invitations.c),
    "INSERT invitations",
)
_GET = statement(sa.select(*invitations.c).where(invitations.c.id == _id), "SELECT invitations")
_GET_FOR_CHANGE = statement(
    sa.select(*invitations.c).where(invitations.c.id == _id).with_for_update(), "SELECT invitations"
)
_GET_WITH_PROJECT = statement(
    sa.select(*invitations.c, projects.c.name.label("project_name"))
    .join(projects, projects.c.id == invitations.c.project_id)
    .where(invitations.c.id == _id),
    "SELECT invitations",
)
_LIST = statement(
    sa.select(*invitations.c)
    .where(invitations.c.project_id == _project_id, _pending)
    .order_by(invitations.c.sent_at.desc(), invitations.c.id),
    "SELECT invitations",
)
_COUNT_OTHERS = statement(
    sa.select(sa.func.count().label("total")).where(
        invitations.c.project_id == _project_id, _pending, invitations.c.email_key != sa.bindparam("email_key")
    ),
    "COUNT invitations",
)
_COUNT_SENT = statement(
    sa.select(sa.func.count().label("total")).where(
        invitations.c.invited_by == sa.bindparam("person", type_=sa.Uuid),
        invitations.c.sent_at > sa.bindparam("since", type_=MOMENT),
    ),
    "COUNT invitations",
)
_ACCEPT = statement(
    sa.update(invitations)
    .where(invitations.c.id == _id)
    .values(accepted_by=sa.bindparam("person", type_=sa.Uuid), accepted_at=_now),
    "UPDATE invitations",
)
_REVOKE = statement(
    sa.delete(invitations).where(invitations.c.id == _id, invitations.c.project_id == _project_id, _pending),
    "DELETE invitations",
)
_over = (
    sa.select(invitations.c.id)
    .where(invitations.c.expires_at < sa.func.now() - sa.bindparam("kept", type_=sa.Interval))
    .order_by(invitations.c.expires_at)
    .limit(_FORGOTTEN_AT_ONCE)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_FORGET = statement(sa.delete(invitations).where(invitations.c.id.in_(_over)), "DELETE invitations")


async def invite(tx: Connection, invitation: Invitation) -> Invitation:
    """Store a new invitation, or renew the open one to the same address; give what is stored then."""
    return _invitation(await tx.one(_INVITE, **vars(invitation) | {"role": invitation.role.value}))


async def get(connection: Connection, id: UUID) -> Invitation | None:  # noqa: A002 - the field's name
    """Give an invitation, whatever became of it, or None."""
    return _found(await connection.one(_GET, id=id))


async def get_for_change(tx: Connection, id: UUID) -> Invitation | None:  # noqa: A002 - the field's name
    """Give what `get` gives, and let no other transaction change it until this one ends."""
    return _found(await tx.one(_GET_FOR_CHANGE, id=id))


async def get_with_project(connection: Connection, id: UUID) -> tuple[Invitation, str] | None:  # noqa: A002
    """Give an invitation and its project's name, or None."""
    row = await connection.one(_GET_WITH_PROJECT, id=id)
    return (_invitation(row), row.project_name) if row else None


async def list_pending(connection: Connection, project_id: UUID, now: datetime) -> list[Invitation]:
    """Give the pending invitations of a project, the last sent first."""
    return [_invitation(row) for row in await connection.all(_LIST, project_id=project_id, now=now)]


async def count_others(tx: Connection, invitation: Invitation) -> int:
    """Give how many invitations of the same project to other addresses are pending when this one is sent."""
    row = await tx.one(
        _COUNT_OTHERS,
        project_id=invitation.project_id,
        email_key=invitation.email_key,
        now=invitation.sent_at,
    )
    return int(row.total)


async def count_sent(tx: Connection, person: UUID, now: datetime) -> int:
    """Give how many invitations a person has sent lately, in all projects."""
    return int((await tx.one(_COUNT_SENT, person=person, since=now - MAX_SENT_WITHIN)).total)


async def accept(tx: Connection, id: UUID, person: UUID, now: datetime) -> None:  # noqa: A002 - the field's name
    """Use an invitation up."""
    await tx.execute(_ACCEPT, id=id, person=person, now=now)


async def revoke(tx: Connection, project_id: UUID, id: UUID, now: datetime) -> bool:  # noqa: A002
    """Remove a pending invitation; say whether there was one."""
    return bool(await tx.execute(_REVOKE, id=id, project_id=project_id, now=now))


async def forget(connection: Connection) -> int:
    """Remove some of the invitations that ended long ago; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, kept=KEPT)


def _found(row: Any) -> Invitation | None:
    return _invitation(row) if row else None


def _invitation(row: Any) -> Invitation:
    fields = {column.name: getattr(row, column.name) for column in invitations.c}
    return Invitation(**fields | {"role": Role(row.role)})
