"""People who register and sign in, for tests of this service and of what stands before it."""

import itertools
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import jwt
import psycopg
import pyotp
import sqlalchemy as sa

from auth.clock import utc_now
from auth.factors.model import PERIOD_S
from auth.secrets import Secrets
from auth.settings import Settings
from auth.tables import accounts, code_requests
from chassis.database import statement
from chassis.errors import RemoteError
from chassis.house import House
from chassis.identity import Caller
from chassis.mail.addresses import Address
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from chassis.testing.process import environment
from neoforge.auth.v1 import accounts_pb2, audit_pb2, second_factor_pb2, sessions_pb2

PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of people who live as long as a test
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_NEWEST = statement(
    sa.select(code_requests.c.id, code_requests.c.purpose)
    .where(code_requests.c.email_key == sa.bindparam("email_key", type_=sa.Text))
    .order_by(code_requests.c.created_at.desc(), code_requests.c.id.desc())
    .limit(1),
    "SELECT code_requests",
)
_MAKE_ADMIN = statement(
    sa.update(accounts).where(accounts.c.id == sa.bindparam("id", type_=sa.Uuid)).values(roles=["admin", "user"]),
    "UPDATE accounts",
)


def somewhere(address: str = "192.0.2.1") -> Caller:
    """Somebody who is not signed in, at an address."""
    return Caller(address=address)


@dataclass(frozen=True)
class SignedIn:
    """A person with a session, as the gateway would vouch for them, and the session's tokens."""

    email: str
    caller: Caller
    tokens: sessions_pb2.Tokens

    @property
    def account_id(self) -> str:
        """The person's account."""
        return str(self.caller.subject)


@dataclass(frozen=True)
class Enrolled:
    """What a person keeps of their second factor."""

    secret: str
    recovery_codes: list[str]


class People:
    """Registers people and signs them in by the service's own calls; `now` is the service's clock."""

    def __init__(self, call: Client, house: House[Settings], now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self._call = call
        self._house = house
        self._numbers = itertools.count(1)
        self._secrets = Secrets(house.settings.auth_secret.get_secret_value())

    async def code(self, email_key: str) -> str:
        """Give the code that is in the last mail to an address."""
        async with self._house.database.connection() as connection:
            row = await connection.one(_NEWEST, email_key=email_key)
        return self._secrets.code(row.purpose, row.id)

    async def registered(self, email: str | None = None, password: str = PASSWORD) -> accounts_pb2.Account:
        """Register somebody, and confirm it."""
        email = email or f"person{next(self._numbers)}@example.test"
        begun = await self._call(
            somewhere(), "Register", accounts_pb2.RegisterRequest(email=email, password=password, name="Ines")
        )
        confirmed = await self._call(
            somewhere(),
            "ConfirmRegistration",
            accounts_pb2.ConfirmRegistrationRequest(
                registration_id=begun.registration_id, code=await self.code(Address.key_of(email))
            ),
        )
        account: accounts_pb2.Account = confirmed.account
        return account

    async def signed_in(self, email: str, password: str = PASSWORD, address: str = "192.0.2.1") -> SignedIn:
        """Sign somebody in."""
        request = sessions_pb2.SignInRequest(email=email, password=password, user_agent=FIREFOX)
        reply = await self._call(somewhere(address), "SignIn", request)
        return SignedIn(email, caller_of(reply.tokens, address), reply.tokens)

    async def administrator(self, email: str = "ines@example.test") -> SignedIn:
        """Register somebody who is made an administrator, and sign them in."""
        account = await self.registered(email)
        async with self._house.database.connection() as connection:
            await connection.execute(_MAKE_ADMIN, id=UUID(account.id))
        return await self.signed_in(email)

    def totp_code(self, secret: str, steps: int = 0) -> str:
        """Give the code of a time step on the service's clock, counted from the present one.

        The next one is good already, and still if the clock goes on to its step before the service sees it.
        """
        return pyotp.HOTP(secret).at(int(self.now().timestamp()) // PERIOD_S + steps)

    async def enrolled(self, person: SignedIn) -> Enrolled:
        """Turn somebody's second factor on, by the present code."""
        begun = await self._call(person.caller, "BeginTotp", second_factor_pb2.BeginTotpRequest())
        request = second_factor_pb2.ConfirmTotpRequest(code=self.totp_code(begun.secret))
        confirmed = await self._call(person.caller, "ConfirmTotp", request)
        return Enrolled(begun.secret, list(confirmed.recovery_codes))

    async def begun(self, email: str, address: str = "192.0.2.1") -> tuple[SignedIn, Enrolled]:
        """Register somebody who signs in and turns the second factor on."""
        await self.registered(email)
        person = await self.signed_in(email, address=address)
        return person, await self.enrolled(person)

    async def asked(self, email: str, password: str = PASSWORD, address: str = "192.0.2.1") -> str:
        """Sign somebody in who has a second factor, as far as the password goes; give the pending sign-in."""
        request = sessions_pb2.SignInRequest(email=email, password=password, user_agent=FIREFOX)
        reply = await self._call(somewhere(address), "SignIn", request)
        if reply.HasField("tokens"):
            raise AssertionError("no second factor was asked for")
        return str(reply.pending.token)

    async def completed(self, pending: str, address: str = "192.0.2.1", **factor: Any) -> sessions_pb2.Tokens:
        """Complete a pending sign-in by a second factor."""
        proof = sessions_pb2.FactorProof(**factor)
        request = sessions_pb2.CompleteSignInRequest(pending=pending, factor=proof, user_agent=FIREFOX)
        tokens: sessions_pb2.Tokens = (await self._call(somewhere(address), "CompleteSignIn", request)).tokens
        return tokens

    async def refreshed(self, refresh_token: str, address: str = "192.0.2.1", client: Any = None) -> Any:
        """Refresh by a token and give the new tokens."""
        request = sessions_pb2.RefreshRequest(refresh_token=refresh_token)
        return (await (client or self._call)(somewhere(address), "Refresh", request)).tokens


def caller_of(tokens: sessions_pb2.Tokens, address: str = "192.0.2.1") -> Caller:
    """Give the caller that an access token makes."""
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return Caller(UUID(claims["sub"]), frozenset(claims["roles"]), claims["sid"], address)


async def refused(work: Awaitable[Any], *reasons: str) -> RemoteError:
    """Give how a call was refused, for one of these reasons."""
    try:
        await work
    except RemoteError as wrong:
        if wrong.reason in reasons:
            return wrong
        raise
    raise AssertionError("it was let through")


async def kinds(call: Client, caller: Caller) -> list[str]:
    """Give what stands in a person's audit trail, the newest first."""
    reply = await call(caller, "ListAuditEntries", audit_pb2.ListAuditEntriesRequest(page_size=100))
    return [entry.kind for entry in reply.entries]


def letters(database: Logins) -> list[str]:
    """Give the mails that were left in the outbox, the oldest first."""
    with psycopg.connect(database.admin) as admin:
        rows = admin.execute("SELECT payload ->> 'template' FROM auth.outbox ORDER BY position").fetchall()
    return [template for (template,) in rows]


def command(settings: Settings, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m auth` with these words, as an operator does."""
    return subprocess.run(  # noqa: S603 - of words that tests write
        [sys.executable, "-m", "auth", *words],
        env={"PATH": "/usr/bin:/bin"} | environment(settings),
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )
