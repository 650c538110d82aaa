"""The mails of the support service, to the address that a ticket names as its contact."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from chassis.house import House
from chassis.jobs.work import Work
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.mails import Completed, Mails
from support.model.ticket import Ticket
from support.settings import Settings
from support.store import threads, tickets
from support.tables import mail_tables

MAILS: Final = Mails("support", mail_tables)

OPENED: Final = "ticket_opened"
REPLIED: Final = "ticket_replied"
SOLVED: Final = "ticket_solved"

_LANGUAGE: Final = "en"
"""A ticket's contact is an address without a person behind it whose language would be known."""
_LONGEST_TEXT: Final = 5_000
"""Characters of a message in a mail; all of it stands in the ticket."""


async def tell_contact(work: Work[Settings], ticket: Ticket, template: str, message_id: UUID) -> None:
    """Have a ticket's contact told about a message, if the ticket names one."""
    async with work.finish() as tx:
        if ticket.contact_email:
            await MAILS.put(
                tx,
                work.house.outbox,
                to=Mailbox("", Address.parse(ticket.contact_email)),
                template=template,
                language=_LANGUAGE,
                context={"ticket_id": str(ticket.id), "message_id": str(message_id)},
            )


@MAILS.completes(OPENED)
@MAILS.completes(REPLIED)
@MAILS.completes(SOLVED)
async def complete(house: House[Settings], context: Mapping[str, Any]) -> Completed | None:
    """Add subject and text as they are when the mail is sent; nothing is sent that a customer may not see.

    What a customer wrote is not quoted: nobody has proved that the address is theirs.
    """
    ticket_id = UUID(context["ticket_id"])
    async with house.database.connection() as connection:
        ticket = await tickets.get(connection, ticket_id)
        message = await threads.get_message(connection, ticket_id, UUID(context["message_id"]))
    if ticket is None or message is None or message.internal:
        return None
    body = message.body if message.from_agent else ""
    if len(body) > _LONGEST_TEXT:
        body = body[: _LONGEST_TEXT - 1].rstrip() + "…"
    return Completed({"subject": ticket.subject, "body": body})
