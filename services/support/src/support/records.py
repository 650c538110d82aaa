"""A change of a ticket is stored with all that belongs to it: the row, its history, and the events that follow."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from chassis.jobs.outbox import Outbox
from support.model.message import Attachment, Entry, Event
from support.model.ticket import Change, Ticket
from support.store import threads, tickets


class Records:
    """Writes tickets, always inside the transaction of what changed them, which holds the ticket's row."""

    def __init__(self, outbox: Outbox, told: Callable[[UUID], None] | None = None) -> None:
        self._outbox = outbox
        self._told = told
        """Told the id of each ticket to whose history something was added, after the commit."""

    async def opened(self, tx: Connection, ticket: Ticket, by: UUID, message_id: UUID) -> None:
        """Store a new ticket."""
        await tickets.insert(tx, ticket)
        await self._note(tx, ticket, Event.CREATED, by, ticket.created_at, message_id=message_id)
        await self._announce(tx, "ticket.created", ticket, {"actor_id": str(by), "message_id": str(message_id)})

    async def changed(self, tx: Connection, before: Ticket, after: Ticket, by: UUID) -> None:
        """Store what a person changed."""
        changes = after.changes_from(before)
        await self._store(tx, before, after)
        await self._note(tx, after, Event.CHANGED, by, after.updated_at, changes)
        fields = [change.field for change in changes]
        await self._announce(tx, "ticket.updated", after, {"actor_id": str(by), "fields": fields})

    async def replied(self, tx: Connection, before: Ticket, after: Ticket, by: UUID, message_id: UUID) -> None:
        """Store what a public message made of the ticket."""
        await self._store(tx, before, after)
        changes = after.changes_from(before)
        await self._note(tx, after, Event.REPLIED, by, after.updated_at, changes, message_id=message_id)
        await self._announce(tx, "ticket.replied", after, {"actor_id": str(by), "message_id": str(message_id)})

    async def noted(self, tx: Connection, ticket: Ticket, by: UUID, message_id: UUID, now: datetime) -> None:
        """Note an internal note, which changes nothing that a customer could see, and of which nobody is told."""
        await self._note(tx, ticket, Event.NOTED, by, now, message_id=message_id, internal=True)

    async def attached(self, tx: Connection, attachment: Attachment, by: UUID) -> None:
        """Note an attachment."""
        entry = Entry(
            id=uuid7(),
            ticket_id=attachment.ticket_id,
            event=Event.ATTACHED,
            actor_id=by,
            changes=(Change("attachment", "", attachment.filename),),
            message_id=attachment.message_id,
            internal=attachment.internal,
            created_at=attachment.created_at,
        )
        await self._insert(tx, entry)

    async def missed(self, tx: Connection, before: Ticket, after: Ticket) -> None:
        """Store that targets were missed."""
        await self._store(tx, before, after)

    async def _store(self, tx: Connection, before: Ticket, after: Ticket) -> None:
        await tickets.update(tx, after)
        if after.subject != before.subject:
            await threads.retitle(tx, after.id, after.subject)
        missed = after.missed_since(before)
        if missed:
            at = max(before.updated_at, before.targets.breach_at or before.updated_at)
            await self._note(tx, after, Event.BREACHED, None, at, missed)

    async def _note(
        self,
        tx: Connection,
        ticket: Ticket,
        event: Event,
        by: UUID | None,
        at: datetime,
        changes: tuple[Change, ...] = (),
        *,
        message_id: UUID | None = None,
        internal: bool = False,
    ) -> None:
        await self._insert(tx, Entry(uuid7(), ticket.id, event, by, changes, message_id, internal, at))

    async def _insert(self, tx: Connection, entry: Entry) -> None:
        await threads.insert_entry(tx, entry)
        if self._told is not None:
            tx.after_commit(partial(self._told, entry.ticket_id))

    async def _announce(self, tx: Connection, kind: str, ticket: Ticket, more: Mapping[str, Any]) -> None:
        payload = {"ticket_id": str(ticket.id), "version": ticket.version, "status": ticket.status.value, **more}
        await self._outbox.put(tx, kind, payload, aggregate=str(ticket.id))
