"""The mail that tells of a webhook which was disabled."""

from typing import Final

from chassis.database import Connection
from chassis.jobs.outbox import Outbox
from chassis.mail.addresses import Address, Mailbox
from chassis.webhooks.notice import Disabled
from projects.mails import MAILS

_LANGUAGE: Final = "en"
"""A webhook's contact is an address without a person behind it whose language would be known."""


async def tell_contact(tx: Connection, outbox: Outbox, disabled: Disabled) -> None:
    """Have the contact of a disabled webhook told once `tx` is committed."""
    await MAILS.put(
        tx,
        outbox,
        to=Mailbox("", Address.parse(disabled.contact)),
        template="webhook_disabled",
        language=_LANGUAGE,
        context={
            "webhook_id": str(disabled.endpoint_id),
            "origin": disabled.origin,
            "reason": disabled.reason.value,
        },
    )
