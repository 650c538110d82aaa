"""Signing in by password, at a speed that guessing doesn't profit from."""

import asyncio
import os
from collections.abc import Sequence
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store as accounts
from auth.accounts.model import Account
from auth.attempts.limits import FROM_NETWORK, FROM_STRANGERS
from auth.equipment import Equipment
from auth.errors import InvalidCredentials, InvalidPendingSignIn, TooManyAttempts
from auth.factors.proof import Tried
from auth.metrics import sign_ins
from auth.notices import Notices
from auth.sessions import devices, pending, store
from auth.sessions.model import SEED_BYTES, Session, network
from auth.sessions.pending import PendingSignIn
from chassis import call as calls
from chassis.convert import timestamp
from chassis.database import Connection
from chassis.mail.addresses import Address
from chassis.threats import threats
from neoforge.auth.v1 import sessions_pb2 as pb

_LONGEST_PASSWORD = 1_000
"""Characters that are looked at: what is longer was never taken."""


class SignIn:
    """Who somebody is by address and password, and the session they get."""

    def __init__(self, equipment: Equipment) -> None:
        self._with = equipment
        self._notices = Notices(equipment)

    async def account(self, email: str, password: str) -> Account:
        """Give the account of an address and a password.

        The work is the same whether or not there is an account: what is counted, read, hashed and written.

        Raises:
            InvalidCredentials: there is none with this password.
            TooManyAttempts: there were too many tries lately; the password was not looked at.
        """
        account = await self._admitted(Address.key_of(email))
        right = await self._with.passwords.check(
            password[:_LONGEST_PASSWORD], account.password_hash if account else None
        )
        if account is None or not right:
            async with self._with.database.transaction() as tx:
                await self._with.trail.write(tx, "session.sign_in_failed", account_id=account.id if account else None)
            sign_ins.labels("refused").inc()
            raise InvalidCredentials
        return account

    async def begin(
        self, tx: Connection, account: Account, user_agent: str, device: str, *, factor: str = ""
    ) -> Session:
        """Begin a session in a transaction of the caller's; `factor` says by which second factor, if by one."""
        now = self._with.now()
        session = Session.new(
            id=uuid7(),
            user_id=account.id,
            seed=os.urandom(SEED_BYTES),
            label=device,
            user_agent=user_agent,
            address=calls.current().caller.address,
            now=now,
            lifetimes=self._with.lifetimes,
            with_factor=bool(factor),
        )
        await store.insert(tx, session, self._with.refresh_tokens.hashed(session))
        await self._with.attempts.clear(tx, FROM_NETWORK, account.email_key, session.address)
        details = {"second_factor": factor} if factor else {}
        await self._with.trail.write(
            tx, "session.signed_in", account_id=account.id, session_id=session.id, details=details
        )
        sign_ins.labels("admitted").inc()
        return session

    async def ask(self, tx: Connection, account: Account, methods: Sequence[str]) -> pb.PendingSignIn:
        """Begin a pending sign-in, which a second factor completes."""
        token, made = await pending.begin(
            tx, account.id, account.password_changed_at, self._with.secrets, self._with.now()
        )
        await self._with.trail.write(tx, "session.second_factor_asked", account_id=account.id)
        sign_ins.labels("second_factor_asked").inc()
        return pb.PendingSignIn(token=token, expires_at=timestamp(made.expires_at), methods=methods)

    async def asked(self, token: str) -> PendingSignIn:
        """Give the pending sign-in of a token, with a try counted at it.

        Raises:
            InvalidPendingSignIn: there is none, or its time or its tries are over.
        """
        async with self._with.database.connection() as connection:
            found = await pending.try_(connection, token, self._with.secrets)
        if found is None or not found.good(self._with.now()):
            raise InvalidPendingSignIn
        return found

    async def refuse(self, asked: PendingSignIn, tried: Tried | None) -> None:
        """Count a refused second factor; after the last try, end the pending sign-in and tell the owner.

        Who spreads tries over many pending sign-ins, the last one of all (`tried`) gives away to the owner as well.
        """
        sign_ins.labels("refused").inc()
        is_last = tried is not None and tried.is_last
        if not asked.used_up and not is_last:
            return
        async with self._with.database.transaction() as tx:
            account = await accounts.get(tx, asked.account_id)
            given_up = asked.used_up and await pending.remove(tx, asked)
            if account is not None and (given_up or is_last):
                await self._notices.tell(tx, account, "second_factor_refused")
            if account is not None and given_up:
                await self._with.trail.write(tx, "session.second_factor_given_up", account_id=account.id)

    async def refuse_passkey(self, account_id: UUID | None) -> None:
        """Write down that nobody was signed in by a passkey's answer."""
        sign_ins.labels("refused").inc()
        async with self._with.database.transaction() as tx:
            await self._with.trail.write(
                tx, "session.sign_in_failed", account_id=account_id, details={"method": "passkey"}
            )

    async def rehash(self, account: Account, password: str) -> None:
        """Bring the stored hash up to today's figures."""
        if self._with.passwords.outdated(account.password_hash):
            better = await self._with.passwords.hash(password)
            async with self._with.database.connection() as connection:
                await accounts.rehash(connection, account, better)

    async def device(self, user_agent: str) -> str:
        """Give the default label of a session."""
        return await asyncio.to_thread(devices.label, user_agent[:400])

    async def _admitted(self, key: str) -> Account | None:
        """Count the try and give the account of the address, if there is one."""
        address = network(calls.current().caller.address)
        async with self._with.database.connection() as connection:
            account = await accounts.by_email(connection, key)
            wait_s = await self._with.attempts.count(connection, FROM_NETWORK, key, address)
            known = account is not None and await store.known_network(connection, account.id, address, self._with.now())
            if not known:
                wait_s = max(wait_s, await self._with.attempts.count(connection, FROM_STRANGERS, key))
        if wait_s:
            threats.labels("brute_force").inc()
            sign_ins.labels("too_many").inc()
            raise TooManyAttempts(wait_s)
        return account
