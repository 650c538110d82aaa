"""The verbs of this service's own: `bootstrap-admin`, `rotate-signing-key`, `verify-audit`."""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.accounts.model import Account
from auth.accounts.passwords import refuse_weak
from auth.audit import store as audit
from auth.audit.chain import Verification
from auth.equipment import Equipment
from auth.settings import Settings
from auth.signing import issuer
from chassis import logs
from chassis.database import Database
from chassis.errors import DomainError
from chassis.mail.addresses import Mailbox
from chassis.service import Service
from chassis.settings import load

VERBS: Final = ("bootstrap-admin", "rotate-signing-key", "verify-audit")
_AT_ONCE: Final = 1_000


def run(service: Service[Settings], arguments: Sequence[str]) -> int:
    """Run one of the verbs and give its exit status."""
    parser = argparse.ArgumentParser(prog="auth")
    verbs = parser.add_subparsers(dest="verb", required=True)
    bootstrap = verbs.add_parser("bootstrap-admin", help="make an administrator, whose password comes by stdin")
    bootstrap.add_argument("email")
    bootstrap.add_argument("--name", default="")
    bootstrap.add_argument("--id", type=UUID, help="the account's id; a new one by default")
    verbs.add_parser("rotate-signing-key", help="publish a new signing key, which signs ten minutes later")
    verbs.add_parser("verify-audit", help="follow the chain of audit entries and say where it breaks")
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
        if options.verb == "bootstrap-admin":
            return await _bootstrap(equipment, options)
        if options.verb == "rotate-signing-key":
            await issuer.rotate(database, equipment.secrets, equipment.now())
            print("A new signing key is published; it signs in ten minutes.")  # noqa: T201 - a command's answer
            return 0
        return await _verify(equipment)
    except DomainError as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - as above
        return 1
    finally:
        await house.outbox.close()
        await database.close()


async def _bootstrap(equipment: Equipment, options: argparse.Namespace) -> int:
    to = Mailbox.of(options.name, options.email, field="email")
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    refuse_weak("password", password, to.address.key, to.name)
    now = equipment.now()
    account = Account(
        id=options.id or uuid7(),
        email=to.address.readable,
        email_key=to.address.key,
        name=to.name,
        language="en",
        password_hash=await equipment.passwords.hash(password),
        roles=frozenset({"user", "admin"}),
        created_at=now,
        password_changed_at=now,
    )
    async with equipment.database.transaction() as tx:
        made = await accounts.insert(tx, account)
        if not made:  # the person is there and becomes an administrator; their password stays
            found = await accounts.by_email(tx, account.email_key)
            if found is None:
                return 1
            account = found
            await accounts.set_roles(tx, account.id, account.roles | {"admin"})
        await equipment.trail.write(tx, "account.bootstrapped", account_id=account.id)
    print(f"{account.email} is an administrator ({account.id}).")  # noqa: T201 - a command's answer
    return 0


async def _verify(equipment: Equipment) -> int:
    verification = Verification()
    async with equipment.database.connection() as connection:
        while batch := await audit.after(connection, verification.entries, _AT_ONCE):
            if not verification.follow(batch, equipment.secrets):
                print(f"The audit trail breaks at entry {verification.broken_at}.", file=sys.stderr)  # noqa: T201 - as above
                return 1
    print(f"{verification.entries} entries hold; the last hash is {verification.head.hex()}.")  # noqa: T201 - as above
    return 0
