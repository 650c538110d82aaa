"""People who register and sign in, for tests of this service and of what stands before it."""

import itertools
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt
import sqlalchemy as sa

from auth.secrets import Secrets
from auth.settings import Settings
from auth.tables import code_requests
from chassis.database import statement
from chassis.house import House
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.auth.v1 import accounts_pb2, sessions_pb2

PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of people who live as long as a test
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

_NEWEST = statement(
    sa.select(code_requests.c.id, code_requests.c.purpose)
    .where(code_requests.c.email_key == sa.bindparam("email_key", type_=sa.Text))
    .order_by(code_requests.c.created_at.desc(), code_requests.c.id.desc())
    .limit(1),
    "SELECT code_requests",
)


def somewhere(address: str = "192.0.2.1") -> Caller:
    """Somebody who is not signed in, at an address."""
    return Caller(address=address)


@dataclass(frozen=True)
class SignedIn:
    """A person with a session, as the gateway would vouch for them, and the session's tokens."""

    caller: Caller
    tokens: sessions_pb2.Tokens


class People:
    """Registers people and signs them in by the service's own calls."""

    def __init__(self, call: Client, house: House[Settings]) -> None:
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
                registration_id=begun.registration_id, code=await self.code(email.casefold())
            ),
        )
        account: accounts_pb2.Account = confirmed.account
        return account

    async def signed_in(self, email: str, password: str = PASSWORD, address: str = "192.0.2.1") -> SignedIn:
        """Sign somebody in."""
        request = sessions_pb2.SignInRequest(email=email, password=password, user_agent=FIREFOX)
        reply = await self._call(somewhere(address), "SignIn", request)
        return SignedIn(caller_of(reply.tokens, address), reply.tokens)

    async def refreshed(self, refresh_token: str, address: str = "192.0.2.1", client: Any = None) -> Any:
        """Refresh by a token and give the new tokens."""
        request = sessions_pb2.RefreshRequest(refresh_token=refresh_token)
        return (await (client or self._call)(somewhere(address), "Refresh", request)).tokens


def caller_of(tokens: sessions_pb2.Tokens, address: str = "192.0.2.1") -> Caller:
    """Give the caller that an access token makes."""
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    return Caller(UUID(claims["sub"]), frozenset(claims["roles"]), claims["sid"], address)
