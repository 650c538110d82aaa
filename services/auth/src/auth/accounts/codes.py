"""Requests for a mailed code: made alike whether or not there is an account, and tried a few times at most."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from auth.accounts import store
from auth.accounts.model import CODE_LIFETIME, MAX_CODE_ATTEMPTS, CodeRequest, Purpose
from auth.attempts.counter import Attempts
from auth.attempts.limits import MAILED
from auth.clock import utc_now
from auth.errors import InvalidCode
from auth.secrets import Secrets, same_code
from chassis.database import Connection, Database
from chassis.jobs.outbox import Outbox
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.mails import Mails

TEMPLATES = {
    (Purpose.REGISTER, False): "register_code",
    (Purpose.REGISTER, True): "already_registered",
    (Purpose.RESET, True): "reset_code",
    (Purpose.RESET, False): "nothing_to_reset",
}
"""The mail by what the code is for and whether the address has an account; the last one is never sent."""


class Codes:
    """Makes requests, has their codes mailed, and checks them. A code stands in no table: it is made of the request."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        mails: Mails,
        secrets: Secrets,
        attempts: Attempts,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._mails = mails
        self._secrets = secrets
        self._attempts = attempts
        self._now = now

    async def request(
        self, purpose: Purpose, to: Mailbox, *, language: str = "en", password_hash: str | None = None
    ) -> CodeRequest:
        """Make a request and have its mail sent; the same work, whoever has an account."""
        now = self._now()
        async with self._database.transaction() as tx:
            wait_s = await self._attempts.count(tx, MAILED, purpose.value, to.address.key)
            account = await store.by_email(tx, to.address.key)
            made = CodeRequest(
                id=uuid7(),
                purpose=purpose,
                account_id=account.id if account else None,
                email=to.address.readable,
                email_key=to.address.key,
                name=to.name,
                language=account.language if account else language,
                password_hash=password_hash,
                # What is not mailed can't be tried either: else each request would bring tries of its own.
                attempts=0 if wait_s == 0 else MAX_CODE_ATTEMPTS,
                created_at=now,
                expires_at=now + CODE_LIFETIME,
            )
            await store.request(tx, made)
            await self._mails.put(
                tx,
                self._outbox,
                # To the address that the account was proved with, not to one that is merely taken for it. To one that
                # nobody has proved goes nothing that a stranger wrote, who may have named it to have that delivered.
                to=Mailbox(account.name, Address.parse(account.email)) if account else Mailbox("", to.address),
                template=TEMPLATES[purpose, account is not None],
                language=made.language,
                context={"request_id": str(made.id), "send": wait_s == 0},
            )
        return made

    async def check(self, purpose: Purpose, id_: UUID, code: str) -> CodeRequest:
        """Give the request that a code belongs to; each try is counted before it is made.

        Raises:
            InvalidCode: there is no such request, its time or its tries are over, or the code is wrong.
        """
        async with self._database.connection() as connection:
            found = await store.try_request(connection, id_, purpose)
        right = same_code(self._secrets.code(purpose.value, id_), code)
        if found is None or not right or not found.good(self._now()):
            raise InvalidCode
        return found

    async def take(self, tx: Connection, request: CodeRequest) -> None:
        """Use a request up, in the transaction of what it was for.

        Raises:
            InvalidCode: somebody else did, meanwhile.
        """
        if not await store.take_request(tx, request.id):
            raise InvalidCode
