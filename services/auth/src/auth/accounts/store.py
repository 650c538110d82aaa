"""All SQL about accounts and the requests whose codes were mailed."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from auth import revocations
from auth.accounts.model import Account, CodeRequest, Purpose
from auth.tables import MOMENT, accounts, code_requests
from chassis.database import Connection, statement

_AT_ONCE: Final = 500

_id = sa.bindparam("id", type_=sa.Uuid)
_email_key = sa.bindparam("email_key", type_=sa.Text)

_INSERT = statement(
    postgresql.insert(accounts)
    .values({column.name: sa.bindparam(column.name, type_=column.type) for column in accounts.c})
    .on_conflict_do_nothing(index_elements=["email_key"]),
    "INSERT accounts",
)
_GET = statement(sa.select(*accounts.c).where(accounts.c.id == _id), "SELECT accounts")
_GET_FOR_CHANGE = statement(sa.select(*accounts.c).where(accounts.c.id == _id).with_for_update(), "SELECT accounts")
_BY_EMAIL = statement(sa.select(*accounts.c).where(accounts.c.email_key == _email_key), "SELECT accounts")
_SET_PASSWORD = statement(
    sa.update(accounts)
    .where(accounts.c.id == _id)
    .values(
        password_hash=sa.bindparam("password_hash", type_=sa.Text),
        password_changed_at=sa.bindparam("now", type_=MOMENT),
    ),
    "UPDATE accounts",
)
_REHASH = statement(
    sa.update(accounts)
    .where(accounts.c.id == _id, accounts.c.password_hash == sa.bindparam("previous", type_=sa.Text))
    .values(password_hash=sa.bindparam("password_hash", type_=sa.Text)),
    "UPDATE accounts",
)
_SET_ROLES = statement(
    sa.update(accounts)
    .where(accounts.c.id == _id)
    .values(roles=sa.bindparam("roles", type_=accounts.c.roles.type), roles_version=accounts.c.roles_version + 1),
    "UPDATE accounts",
)
_LOCK_ADMINS = statement(
    sa.select(accounts.c.id)
    .where(sa.literal_column("'admin' = ANY (roles)"))
    .order_by(accounts.c.id)
    .with_for_update(),
    "SELECT accounts",
)
_REQUEST = statement(
    sa.insert(code_requests).values(
        {column.name: sa.bindparam(column.name, type_=column.type) for column in code_requests.c}
    ),
    "INSERT code_requests",
)
_GET_REQUEST = statement(sa.select(*code_requests.c).where(code_requests.c.id == _id), "SELECT code_requests")
_TRY_REQUEST = statement(
    sa.update(code_requests)
    .where(code_requests.c.id == _id, code_requests.c.purpose == sa.bindparam("purpose", type_=sa.Text))
    .values(attempts=code_requests.c.attempts + 1)
    .returning(*code_requests.c),
    "UPDATE code_requests",
)
_REMOVE_REQUESTS = statement(
    sa.delete(code_requests).where(
        code_requests.c.email_key == _email_key, code_requests.c.purpose == sa.bindparam("purpose", type_=sa.Text)
    ),
    "DELETE code_requests",
)
_TAKE_REQUEST = statement(
    sa.delete(code_requests).where(code_requests.c.id == _id).returning(code_requests.c.id), "DELETE code_requests"
)
_FORGET = statement(
    sa.delete(code_requests).where(
        code_requests.c.id.in_(
            sa.select(code_requests.c.id)
            .where(code_requests.c.expires_at < sa.bindparam("before", type_=MOMENT))
            .order_by(code_requests.c.expires_at)
            .limit(_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    ),
    "DELETE code_requests",
)


async def insert(tx: Connection, account: Account) -> bool:
    """Store a new account; say whether its address had none yet."""
    return bool(await tx.execute(_INSERT, **vars(account) | {"roles": sorted(account.roles)}))


async def get(connection: Connection, id: UUID) -> Account | None:  # noqa: A002 - the field's name
    """Give an account, or None."""
    return _account(await connection.one(_GET, id=id))


async def get_for_change(tx: Connection, id: UUID) -> Account | None:  # noqa: A002 - the field's name
    """Give an account, and let nobody else change it until the transaction ends."""
    return _account(await tx.one(_GET_FOR_CHANGE, id=id))


async def by_email(connection: Connection, email_key: str) -> Account | None:
    """Give the account of an address, or None."""
    return _account(await connection.one(_BY_EMAIL, email_key=email_key))


async def set_password(tx: Connection, id: UUID, password_hash: str, now: datetime) -> None:  # noqa: A002
    """Store another password's hash."""
    await tx.execute(_SET_PASSWORD, id=id, password_hash=password_hash, now=now)


async def rehash(tx: Connection, account: Account, password_hash: str) -> None:
    """Store another hash of the same password, unless the password has changed meanwhile."""
    await tx.execute(_REHASH, id=account.id, previous=account.password_hash, password_hash=password_hash)


async def set_roles(tx: Connection, account: Account, roles: frozenset[str]) -> Account:
    """Store other roles of an account, and tell gateways that its tokens don't say any more what it may do."""
    await tx.execute(_SET_ROLES, id=account.id, roles=sorted(roles))
    await revocations.tell(tx, account.grant.id)
    return replace(account, roles=roles, roles_version=account.roles_version + 1)


async def lock_admins(tx: Connection) -> list[UUID]:
    """Give all administrators, and let nobody change who they are until the transaction ends."""
    return [row.id for row in await tx.all(_LOCK_ADMINS)]


async def request(tx: Connection, made: CodeRequest) -> None:
    """Store a request for a code."""
    await tx.execute(_REQUEST, **vars(made) | {"purpose": made.purpose.value})


async def get_request(connection: Connection, id: UUID) -> CodeRequest | None:  # noqa: A002 - the field's name
    """Give a request for a code, or None."""
    return _request(await connection.one(_GET_REQUEST, id=id))


async def try_request(connection: Connection, id: UUID, purpose: Purpose) -> CodeRequest | None:  # noqa: A002
    """Count a try at a request's code, and give the request as it is with it."""
    return _request(await connection.one(_TRY_REQUEST, id=id, purpose=purpose.value))


async def take_request(tx: Connection, id: UUID) -> bool:  # noqa: A002 - the field's name
    """Use a request up; say whether it was still there."""
    return await tx.one(_TAKE_REQUEST, id=id) is not None


async def remove_requests(tx: Connection, email_key: str, purpose: Purpose) -> None:
    """Remove all requests of a purpose for an address."""
    await tx.execute(_REMOVE_REQUESTS, email_key=email_key, purpose=purpose.value)


async def forget_requests(connection: Connection, before: datetime) -> int:
    """Remove some of the requests that expired before; give how many, 0 when none are left."""
    return await connection.execute(_FORGET, before=before)


def _account(row: Any) -> Account | None:
    if row is None:
        return None
    fields = {column.name: getattr(row, column.name) for column in accounts.c}
    return Account(**fields | {"roles": frozenset(row.roles)})


def _request(row: Any) -> CodeRequest | None:
    if row is None:
        return None
    fields = {column.name: getattr(row, column.name) for column in code_requests.c}
    return CodeRequest(**fields | {"purpose": Purpose(row.purpose)})
