"""The mails of a service: how a servicer leaves one in the outbox, and the job that sends it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from chassis.database import Connection
from chassis.house import House
from chassis.jobs.declaration import SLOW, Backoff, Jobs, Permanent, RetryAt
from chassis.jobs.outbox import Outbox
from chassis.jobs.work import Work
from chassis.mail import metrics, smtp
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.message import compose
from chassis.mail.settings import MailSettings
from chassis.mail.store import MailStore
from chassis.mail.tables import MailTables
from chassis.mail.templates import Templates

log = logging.getLogger(__name__)

KIND: Final = "mail.send"
_ATTEMPTS: Final = 100
"""With waits of up to an hour that is three days: a mail server may be away over a weekend (RFC 5321, section 4.5.4.1
asks for four to five days of whoever delivers to strangers)."""
_TIMEOUT_S: Final = 75.0
"""More than the longest delivery that the settings allow, so that its own time limit ends it."""


@dataclass(frozen=True)
class Letter:
    """A mail as it waits in the outbox: to whom, which template, in which language, about what; nothing secret."""

    to: Mailbox
    template: str
    language: str
    context: Mapping[str, Any]

    def to_payload(self) -> dict[str, Any]:
        """Give the letter as JSON."""
        to = {"name": self.to.name, "local": self.to.address.local, "domain": self.to.address.domain}
        return {"to": to, "template": self.template, "language": self.language, "context": dict(self.context)}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Letter":
        """Read what `to_payload` wrote."""
        to = payload["to"]
        mailbox = Mailbox(to["name"], Address(to["local"], to["domain"]))
        return cls(mailbox, payload["template"], payload["language"], payload["context"])


@dataclass(frozen=True)
class Completed:
    """What a letter still lacked: values for its templates and, for a mail of a list, the URL that ends it."""

    context: Mapping[str, Any] = field(default_factory=dict)
    unsubscribe: str | None = None


Completion: TypeAlias = Callable[[House[Any], Mapping[str, Any]], Awaitable[Completed | None]]
"""Gives what a letter with this context still lacks when it is sent, or None if it is no longer to be sent."""


class Mails:
    """The mails of one service, with templates in `package`.

    mails = Mails("projects", mail_tables)
    jobs.include(mails.jobs)

    A servicer has one sent in its own transaction:

        await mails.put(tx, self._outbox, to=mailbox, template="invitation", language="de", context={"id": str(id)})

    What is secret in a mail (a link that lets in, a code) is made when it is sent and stands in no table:

        @mails.completes("invitation")
        async def add_link(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
            ...
    """

    def __init__(self, package: str, tables: MailTables) -> None:
        self.store = MailStore(tables)
        self.jobs = Jobs[MailSettings]()
        self._templates = Templates(package)
        self._completions: dict[str, Completion] = {}
        self._server: tuple[MailSettings, smtp.Server] | None = None
        backoff = Backoff(first_s=5, most_s=3600)
        self.jobs.job(KIND, queue=SLOW, timeout_s=_TIMEOUT_S, max_attempts=_ATTEMPTS, backoff=backoff)(self._send)
        self.jobs.periodic("mail.forget_slots", every=timedelta(hours=1))(self._forget_slots)

    def completes(self, template: str) -> Callable[[Completion], Completion]:
        """Declare the function that completes the letters of this template."""

        def declare(completion: Completion) -> Completion:
            self._completions[template] = completion
            return completion

        return declare

    async def put(
        self, tx: Connection, outbox: Outbox, *, to: Mailbox, template: str, language: str, context: Mapping[str, Any]
    ) -> UUID:
        """Have a mail sent once `tx` is committed, and give its id, of which its Message-ID is made.

        Args:
            tx: the transaction of the cause.
            outbox: the service's.
            to: who gets it.
            template: which mail it is.
            language: the recipient's (BCP 47); where the mail has no templates in it, English.
            context: JSON values that the templates name; no secrets, they are kept in the clear until it is sent.
        """
        return await outbox.put(tx, KIND, Letter(to, template, language, context).to_payload())

    async def _send(self, work: Work[MailSettings]) -> None:
        letter = Letter.from_payload(work.payload)
        outcome = await self._attempt(work, letter)
        metrics.mails.labels(letter.template, outcome).inc()
        log.info(
            "mail %s %s",
            work.id,
            outcome,
            extra={"template": letter.template, "recipient_domain": letter.to.address.domain},
        )

    async def _attempt(self, work: Work[MailSettings], letter: Letter) -> str:
        to, settings = letter.to.address, work.house.settings
        async with work.house.database.transaction() as tx:
            if await self.store.suppressed(tx, to):
                return "suppressed"
            slot_at = await self.store.slot(tx, work.id, to, settings.mail_hourly_limit)
        if slot_at is not None:
            metrics.mails.labels(letter.template, "deferred").inc()
            raise RetryAt(slot_at, "the recipient has had as much mail as they get in an hour")
        completion = self._completions.get(letter.template)
        completed = await completion(work.house, letter.context) if completion else Completed()
        if completed is None:
            return "obsolete"
        content = self._templates.render(letter.template, letter.language, {**letter.context, **completed.context})
        sender = settings.mail_sender
        message = compose(
            sender=sender,
            to=letter.to,
            content=content,
            message_id=work.id,
            date=work.created_at,
            unsubscribe=completed.unsubscribe,
        )
        try:
            await smtp.deliver(self._server_of(settings), message, sender=sender.address, to=to)
        except smtp.AddressRefused as refused:
            async with work.finish() as tx:
                await self.store.suppress(tx, to, refused.code, str(refused))
            return "refused"
        except smtp.MailRefused as refused:
            metrics.mails.labels(letter.template, "refused").inc()
            raise Permanent(str(refused)) from None
        except smtp.TemporaryFailure:
            metrics.mails.labels(letter.template, "not_taken").inc()
            raise
        return "sent"

    def _server_of(self, settings: MailSettings) -> smtp.Server:
        # Kept, since reading the authorities that the system trusts takes longer than a delivery.
        if self._server is None or self._server[0] is not settings:
            self._server = settings, settings.smtp_server
        return self._server[1]

    async def _forget_slots(self, work: Work[MailSettings]) -> None:
        forgotten = True
        while forgotten:
            async with work.house.database.connection() as connection:
                forgotten = bool(await self.store.forget_slots(connection))
