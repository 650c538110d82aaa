"""The verbs of this service's own: `bootstrap-admin`, `add-account`, `remove-second-factor`, `rotate-signing-key`,
`verify-audit`.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
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
from chassis.database import Database
from chassis.errors import DomainError
from chassis.mail.addresses import Mailbox
from chassis.service import Service
from chassis.settings import load

VERBS: Final = ("bootstrap-admin", "add-account", "remove-second-factor", "rotate-signing-key", "verify-audit")
_AT_ONCE: Final = 1_000


def run(service: Service[Settings], arguments: Sequence[str]) -> int:
    """Run one of the verbs and give its exit status."""
    parser = argparse.ArgumentParser(prog="auth")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bootstrap = verbs.add_parser("bootstrap-admin", help="make an administrator, whose password comes by stdin")
    add = verbs.add_parser("add-account", help="make an account without a mailed code; its password comes by stdin")
    for verb in (bootstrap, add):
        verb.add_argument("email")
        verb.add_argument("--name", default="")
        verb.add_argument("--id", type=UUID, help="the account's id; a new one by default")
        verb.add_argument("--password-file", type=Path, help="read the password from this file instead of stdin")
    bootstrap.set_defaults(role=["admin"])
    add.add_argument("--role", action="append", choices=ROLES, default=[], help="beside user; repeatable")
    remove = verbs.add_parser("remove-second-factor", help="turn a person's second factor off, who has lost all of it")
    remove.add_argument("email")
    verbs.add_parser("rotate-signing-key", help="publish a new signing key, which signs ten minutes later")
    verify = verbs.add_parser("verify-audit", help="follow the chain of audit entries and say where it breaks")
    verify.add_argument("--known", type=bytes.fromhex, default=FIRST, help="a last hash of before, to be found again")
    options = parser.parse_args(arguments)
    settings = load(Settings)
    logs.setup(service.name, settings.log_level)
    return asyncio.run(_with_database(service, settings, options))


async def _with_database(service: Service[Settings], settings: Settings, options: argparse.Namespace) -> int:
    database = Database.of(settings, service.name)
    await database.open()
    house = service.house(settings, database)
    try:
        equipment = Equipment.of(house)
        if options.verb in {"bootstrap-admin", "add-account"}:
            return await _add(equipment, options)
        if options.verb == "remove-second-factor":
            return await _remove_second_factor(equipment, options.email)
        if options.verb == "rotate-signing-key":
            await issuer.rotate(database, equipment.secrets, equipment.now())
            print("A new signing key is published; it signs in ten minutes.")  # noqa: T201 - a command's answer
            return 0
        return await _verify(equipment, options.known)
    except DomainError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - as above
        return 1
    finally:
        await house.outbox.close()
        await database.close()


async def _add(equipment: Equipment, options: argparse.Namespace) -> int:
    to = Mailbox.of(options.name, options.email, field="email")
    roles = roles_of(options.role)
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
        if not made:  # the person is there and gets the roles beside their own; their password stays
            found = await accounts.by_email(tx, account.email_key)
            if found is None:
                return 1
            account = await accounts.set_roles(tx, found, found.roles | roles)
        details = {"roles": ",".join(sorted(account.roles))}
        await equipment.trail.write(tx, "account.added", account_id=account.id, details=details)
    print(f"{account.email} ({account.id}) is {', '.join(sorted(account.roles))}.")  # noqa: T201 - a command's answer
    return 0


async def _remove_second_factor(equipment: Equipment, email: str) -> int:
    key = Mailbox.of("", email, field="email").address.key
    async with equipment.database.transaction() as tx:
        account = await accounts.by_email(tx, key)
        if account is None or not await factors.disable(tx, account.id):
            print(f"{email} has no account with a second factor.", file=sys.stderr)  # noqa: T201 - a command's answer
            return 1
        await Notices(equipment).tell(tx, account, "second_factor_off")
        details = {"by": "command"}
        await equipment.trail.write(tx, "account.second_factor_disabled", account_id=account.id, details=details)
    print(f"The second factor of {account.email} is off; passkeys stay.")  # noqa: T201 - as above
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
        print(f"The audit trail does not hold: {verification.fault}.", file=sys.stderr)  # noqa: T201 - as above
        return 1
    print(f"{verification.entries} entries hold; the last hash is {verification.last.hex()}.")  # noqa: T201 - as above
    return 0
