"""Telling somebody that an endpoint was disabled."""

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from chassis.database import Connection
from chassis.jobs.outbox import Outbox
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.mails import Mails
from chassis.webhooks.model import DisabledReason

_LANGUAGE: Final = "en"
"""A webhook's contact is an address without a person behind it whose language would be known."""


@dataclass(frozen=True)
class Disabled:
    """An endpoint that was disabled: whom to tell, where its URL leads (without its path, which may be secret), why."""

    endpoint_id: UUID
    contact: str
    origin: str
    reason: DisabledReason


def by_mail(mails: Mails, path: str) -> "Notify":
    """Give what tells the contact by a mail; `path` is where the service's webhooks are found in the API."""

    async def tell(tx: Connection, outbox: Outbox, disabled: Disabled) -> None:
        await mails.put(
            tx,
            outbox,
            to=Mailbox("", Address.parse(disabled.contact)),
            template="webhook_disabled",
            language=_LANGUAGE,
            context={
                "webhook_id": str(disabled.endpoint_id),
                "path": path,
                "origin": disabled.origin,
                "reason": disabled.reason.value,
            },
        )

    return tell


class Notify(Protocol):
    """Tells the contact of an endpoint that it was disabled."""

    async def __call__(self, tx: Connection, outbox: Outbox, disabled: Disabled) -> None:
        """Have it told once `tx` is committed."""
