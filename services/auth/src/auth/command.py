"""The verbs of this service's own: `bootstrap-admin`, `add-account`, `remove-second-factor`, `rotate-signing-key`,
`verify-audit`.
"""

import argparse
import asyncio
import getpass
import sys
from pathlib import Path
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.accounts.model import ROLES, Account, roles_of
from auth.accounts.passwords import refuse_weak
from auth.audit import store as audit
from auth.audit.chain import FIRST, Verification
from auth.equipment import Equipment
from auth.factors import store as factors
from auth.notices import Notices
from auth.settings import Settings
from auth.signing import issuer
from chassis import logs
from chassis.database import Connection, Database
from chassis.errors import DomainError
from chassis.mail.addresses import Mailbox
from chassis.service import Service
from chassis.settings import load

_AT_ONCE: Final = 1_000


def add_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verbs of this service's own to those that every service has."""
    bootstrap = verbs.add_parser(
        "bootstrap-admin",
        help="make the first administrator: a new account, whose password comes by stdin, or one there is",
    )
    bootstrap.add_argument("--force", action="store_true", help="although there is an administrator")
    add = verbs.add_parser("add-account", help="make an account without a mailed code; its password comes by stdin")
    add.add_argument("--role", action="append", choices=ROLES, default=[], help="beside user; repeatable")
    for verb in (bootstrap, add):
        verb.add_argument("email")
        verb.add_argument("--name", default="")
        verb.add_argument("--id", type=UUID, help="the account's id; a new one by default")
        verb.add_argument("--password-file", type=Path, help="read the password from this file instead of stdin")
    remove = verbs.add_parser("remove-second-factor", help="turn a person's second factor off, who has lost all of it")
    remove.add_argument("email")
    rotate = verbs.add_parser("rotate-signing-key", help="publish a new signing key, which signs ten minutes later")
    verify = verbs.add_parser("verify-audit", help="follow the chain of audit entries and say where it breaks")
    verify.add_argument("--known", type=bytes.fromhex, default=FIRST, help="a last hash of before, to be found again")
    for verb in (bootstrap, add, remove, rotate, verify):
        verb.set_defaults(run=run)


def run(service: Service[Settings], options: argparse.Namespace) -> int:
    """Run one of the verbs and give its exit status."""
    settings = load(Settings)
    logs.setup(service.name, settings.log_level)
    return asyncio.run(_with_database(service, settings, options))


async def _with_database(service: Service[Settings], settings: Settings, options: argparse.Namespace) -> int:
    database = Database.of(settings, service.name)
    await database.open()
    house = service.house(settings, database)
    try:
        equipment = Equipment.of(house)
        if options.verb == "bootstrap-admin":
            return await _bootstrap(equipment, options)
        if options.verb == "add-account":
            return await _add(equipment, options)
        if options.verb == "remove-second-factor":
            return await _remove_second_factor(equipment, options.email)
        if options.verb == "rotate-signing-key":
            await issuer.rotate(database, equipment.secrets, equipment.now())
            _print("A new signing key is published; it signs in ten minutes.")
            return 0
        return await _verify(equipment, options.known)
    except DomainError as error:
        return _refused(error.message)
    finally:
        await house.outbox.close()
        await database.close()


async def _bootstrap(equipment: Equipment, options: argparse.Namespace) -> int:
    to = Mailbox.of(options.name, options.email, field="email")
    async with equipment.database.transaction() as tx:
        admins = [await accounts.get(tx, id_) for id_ in await accounts.lock_admins(tx)]
        there = await accounts.by_email(tx, to.address.key)
        if admins and not options.force:
            named = ", ".join(admin.email for admin in admins if admin is not None)
            return _refused(
                f"There is an administrator already, who can give others that role: {named}. "
                "Where none of them can be asked, --force makes another."
            )
        if there is not None:
            if "admin" in there.roles:
                return _refused(f"{there.email} is an administrator already.")
            account = await accounts.set_roles(tx, there, there.roles | {"admin"})
            await _written(equipment, tx, account)
    if there is not None:
        _print(f"{_is(account)} The account was there before, and its password stays.")
        return 0
    return await _make(equipment, to, roles_of(["admin"]), options)


async def _add(equipment: Equipment, options: argparse.Namespace) -> int:
    to, roles = Mailbox.of(options.name, options.email, field="email"), roles_of(options.role)
    async with equipment.database.connection() as connection:
        there = await accounts.by_email(connection, to.address.key)
    if there is None:
        return await _make(equipment, to, roles, options)
    # Whoever repeats the command finds what was asked for, and nobody is told so of another password or other roles.
    password = await asyncio.to_thread(_password, options.password_file)
    as_asked = roles == there.roles and options.id in {None, there.id}
    if not as_asked or not await equipment.passwords.check(password, there.password_hash):
        return _taken(there.email)
    _print(f"{_is(there)} It was there before, just so.")
    return 0


async def _make(equipment: Equipment, to: Mailbox, roles: frozenset[str], options: argparse.Namespace) -> int:
    password = await asyncio.to_thread(_password, options.password_file)
    refuse_weak("password", password, to.address.key, to.name)
    now = equipment.now()
    account = Account(
        id=options.id or uuid7(),
        email=to.address.readable,
        email_key=to.address.key,
        name=to.name,
        language="en",
        password_hash=await equipment.passwords.hash(password),
        roles=roles,
        created_at=now,
        password_changed_at=now,
    )
    async with equipment.database.transaction() as tx:
        made = await accounts.insert(tx, account)
        if made:
            await _written(equipment, tx, account)
    if not made:  # somebody registered meanwhile
        return _taken(account.email)
    _print(_is(account))
    return 0


async def _written(equipment: Equipment, tx: Connection, account: Account) -> None:
    details = {"roles": ",".join(sorted(account.roles))}
    await equipment.trail.write(tx, "account.added", account_id=account.id, details=details)


def _is(account: Account) -> str:
    return f"{account.email} ({account.id}) is {', '.join(sorted(account.roles))}."


def _taken(email: str) -> int:
    return _refused(
        f"{email} has an account already; nothing of it was changed. An administrator sets its roles with "
        "PUT /api/v1/auth/accounts/{id}/roles, and its owner the password, also a forgotten one."
    )


async def _remove_second_factor(equipment: Equipment, email: str) -> int:
    key = Mailbox.of("", email, field="email").address.key
    async with equipment.database.transaction() as tx:
        account = await accounts.by_email(tx, key)
        if account is None or not await factors.disable(tx, account.id):
            return _refused(f"{email} has no account with a second factor.")
        await Notices(equipment).tell(tx, account, "second_factor_off")
        details = {"by": "command"}
        await equipment.trail.write(tx, "account.second_factor_disabled", account_id=account.id, details=details)
    _print(f"The second factor of {account.email} is off; passkeys stay.")
    return 0


def _password(file: Path | None) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8").strip()
    return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


async def _verify(equipment: Equipment, known: bytes) -> int:
    async with equipment.database.connection() as connection:
        verification = Verification(equipment.secrets, await audit.head(connection), known)
        holds = True
        while holds and (batch := await audit.after(connection, verification.entries, _AT_ONCE)):
            holds = verification.follow(batch)
    if not holds or not verification.end():
        return _refused(f"The audit trail does not hold: {verification.fault}.")
    _print(f"{verification.entries} entries hold; the last hash is {verification.last.hex()}.")
    return 0


def _print(answer: str) -> None:
    print(answer)  # noqa: T201 - a command's answer


def _refused(why: str) -> int:
    print(why, file=sys.stderr)  # noqa: T201 - a command's answer
    return 1
