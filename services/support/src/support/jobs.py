"""What the support service does later."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chassis.jobs.declaration import SLOW, Jobs, Permanent
from chassis.jobs.work import Work
from support.clock import utc_now
from support.mails import MAILS, OPENED, REPLIED, SOLVED, tell_contact
from support.model.message import MAX_ATTACHMENT_BYTES
from support.model.ticket import Status, Ticket
from support.records import Records
from support.settings import Settings
from support.storage import storage_of
from support.storage.incoming import Incoming
from support.store import threads, tickets

jobs = Jobs[Settings]()
jobs.include(MAILS.jobs)


@jobs.job("ticket.created")
async def tell_of_opening(work: Work[Settings]) -> None:
    """Tell the contact of a ticket that somebody opened it for them.

    Nothing is mailed for one that its requester opened: anyone may name any address, and would have our mail server
    send there what they like, as often as they like.
    """
    ticket = await _ticket(work)
    if UUID(work.payload["actor_id"]) != ticket.requester_id:
        await tell_contact(work, ticket, OPENED, UUID(work.payload["message_id"]))


@jobs.job("ticket.replied")
async def tell_of_reply(work: Work[Settings]) -> None:
    """Tell the contact of a ticket of an agent's reply; they know their own."""
    ticket = await _ticket(work)
    if UUID(work.payload["actor_id"]) != ticket.requester_id:
        await tell_contact(work, ticket, REPLIED, UUID(work.payload["message_id"]))


@jobs.job("ticket.updated")
async def tell_of_solution(work: Work[Settings]) -> None:
    """Tell the contact of a ticket that someone else takes it to be solved."""
    ticket, payload = await _ticket(work), work.payload
    solved = "status" in payload["fields"] and payload["status"] == Status.SOLVED
    if solved and UUID(payload["actor_id"]) != ticket.requester_id:
        async with work.house.database.connection() as connection:
            first = await threads.first_message(connection, ticket.id)
        await tell_contact(work, ticket, SOLVED, first)


async def _ticket(work: Work[Settings]) -> Ticket:
    id_ = UUID(work.payload["ticket_id"])
    async with work.house.database.connection() as connection:
        ticket = await tickets.get(connection, id_)
    if ticket is None:
        raise Permanent(f"there is no ticket {id_}")
    return ticket


BATCH: Final = 100
ORPHAN_AGE: Final = timedelta(days=1)
"""More than any upload takes: until then a content without a row may be one whose row is being written."""


@jobs.periodic("ticket.note_breaches", every=timedelta(seconds=15))
async def note_breaches(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Write down which targets were missed; readers see it at once, histories and events by this."""
    records, moment = Records(work.house.outbox), now()
    more = True
    while more:
        async with work.house.database.transaction() as tx:
            missed = await tickets.missed(tx, moment, BATCH)
            for ticket in missed:
                await records.missed(tx, ticket, ticket.at(moment))
        more = len(missed) == BATCH


@jobs.periodic("attachment.remove_orphans", every=timedelta(hours=1), timeout_s=600, queue=SLOW)
async def remove_orphans(work: Work[Settings], now: Callable[[], datetime] = utc_now) -> None:
    """Remove contents that no row tells of, and uploads that broke off with their process."""
    settings, before = work.house.settings, now() - ORPHAN_AGE
    await Incoming(settings.folder, MAX_ATTACHMENT_BYTES).forget(before)
    storage = storage_of(settings)
    async for ids in storage.older_than(before):
        async with work.house.database.connection() as connection:
            known = await threads.known_attachments(connection, ids)
        for orphan in set(ids) - known:
            await storage.remove(orphan)
