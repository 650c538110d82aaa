"""neoforge.support.v1.TicketService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection, Database
from chassis.errors import LimitReached, VersionMismatch
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.support.v1 import tickets_pb2 as pb
from neoforge.support.v1 import tickets_pb2_grpc
from support import convert
from support.errors import TicketClosed, TicketNotFound
from support.model.message import MAX_MESSAGES, Message
from support.model.targets import Priority, Promise
from support.model.ticket import Status, Ticket
from support.model.viewer import Viewer
from support.records import Records
from support.store import threads, tickets


class TicketServicer(tickets_pb2_grpc.TicketServiceServicer):
    """Answers the calls of TicketService from PostgreSQL; `now` tells the time."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        cursors: Cursors,
        records: Records,
        promise: Promise,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._cursors = cursors
        self._records = records
        self._promise = promise
        self._now = now

    @allow(SIGNED_IN)
    async def CreateTicket(self, request: pb.CreateTicketRequest, context: Any) -> pb.CreateTicketResponse:
        viewer, now = _viewer(), self._now()
        ticket = Ticket.new(
            id=uuid7(),
            opened_by=viewer.person,
            by_agent=viewer.is_agent,
            requester_id=convert.person(request.requester_id, "requester_id"),
            assignee_id=convert.person(request.assignee_id, "assignee_id"),
            subject=request.subject,
            priority=convert.priority(request.priority) or Priority.NORMAL,
            labels=tuple(request.labels),
            contact_email=convert.email(request.contact_email),
            promise=self._promise,
            now=now,
        )
        message = _message(ticket, viewer, request.body, now)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateTicketResponse)
            if earlier:
                return earlier
            await self._records.opened(tx, ticket, viewer.person, message.id)
            await threads.insert_message(tx, message, title=ticket.subject)
            reply = pb.CreateTicketResponse(ticket=convert.ticket_proto(ticket), message_id=str(message.id))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def GetTicket(self, request: pb.GetTicketRequest, context: Any) -> pb.GetTicketResponse:
        id_, viewer = parse_uuid(request.id, "id"), _viewer()
        async with self._database.connection() as connection:
            ticket = await self._seen(connection, id_, viewer)
        if request.unless_version == ticket.version:
            return pb.GetTicketResponse(unchanged_version=ticket.version)
        return pb.GetTicketResponse(ticket=convert.ticket_proto(ticket))

    @allow(SIGNED_IN)
    async def ListTickets(self, request: pb.ListTicketsRequest, context: Any) -> pb.ListTicketsResponse:
        viewer, now = _viewer(), self._now()
        wanted, order = convert.wanted(request)
        scope = f"tickets {viewer!r} {order.name} {wanted!r}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await tickets.page(
                connection, wanted, viewer.customer, now, order, page_request, self._cursors, scope
            )
        found = [convert.ticket_proto(ticket.at(now)) for ticket in page.rows]
        return pb.ListTicketsResponse(tickets=found, page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdateTicket(self, request: pb.UpdateTicketRequest, context: Any) -> pb.UpdateTicketResponse:
        id_, viewer = parse_uuid(request.ticket.id, "ticket.id"), _viewer()
        changes = convert.changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateTicketResponse)
            if earlier:
                return earlier
            stored = await self._for_change(tx, id_, viewer)
            now = self._now()
            ticket = stored.at(now)
            VersionMismatch.check("ticket", request.expected_version, ticket.version)
            changed = ticket.changed(changes, by_agent=viewer.is_agent, promise=self._promise, now=now)
            if changed is not ticket:
                await self._records.changed(tx, stored, changed, viewer.person)
            reply = pb.UpdateTicketResponse(ticket=convert.ticket_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def CreateMessage(self, request: pb.CreateMessageRequest, context: Any) -> pb.CreateMessageResponse:
        id_, viewer = parse_uuid(request.ticket_id, "ticket_id"), _viewer()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateMessageResponse)
            if earlier:
                return earlier
            stored = await self._for_change(tx, id_, viewer)
            if request.internal:
                viewer.need_agent("writing an internal note")
            now = self._now()
            message = _message(stored, viewer, request.body, now, internal=request.internal)
            if stored.status is Status.CLOSED:
                raise TicketClosed
            if await threads.count_messages(tx, id_) >= MAX_MESSAGES:
                raise LimitReached(f"a ticket has at most {MAX_MESSAGES:,} messages")
            await threads.insert_message(tx, message)
            ticket = stored.at(now)
            if message.internal:
                await self._records.noted(tx, ticket, viewer.person, message.id, now)
            else:
                ticket = ticket.replied(viewer.person, now)
                await self._records.replied(tx, stored, ticket, viewer.person, message.id)
            reply = pb.CreateMessageResponse(
                message=convert.message_proto(message, ()), ticket=convert.ticket_proto(ticket)
            )
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def ListMessages(self, request: pb.ListMessagesRequest, context: Any) -> pb.ListMessagesResponse:
        id_, viewer = parse_uuid(request.ticket_id, "ticket_id"), _viewer()
        order = convert.THREAD_ORDERS[request.newest_first]
        scope = f"messages {viewer!r} {id_} {order.name}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            await self._seen(connection, id_, viewer)
            page = await threads.page_of_messages(
                connection, id_, order, page_request, self._cursors, scope, with_notes=viewer.is_agent
            )
            attachments = await threads.attachments_of(connection, page.rows)
        found = [convert.message_proto(message, attachments[message.id]) for message in page.rows]
        return pb.ListMessagesResponse(messages=found, page=page_proto(page))

    @allow(SIGNED_IN)
    async def ListHistory(self, request: pb.ListHistoryRequest, context: Any) -> pb.ListHistoryResponse:
        id_, viewer = parse_uuid(request.ticket_id, "ticket_id"), _viewer()
        order = convert.HISTORY_ORDER
        scope = f"history {viewer!r} {id_}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            await self._seen(connection, id_, viewer)
            page = await threads.page_of_history(
                connection, id_, order, page_request, self._cursors, scope, with_internal=viewer.is_agent
            )
        return pb.ListHistoryResponse(entries=map(convert.entry_proto, page.rows), page=page_proto(page))

    async def _seen(self, connection: Connection, id_: UUID, viewer: Viewer) -> Ticket:
        found = await tickets.get(connection, id_)
        if found is None or not viewer.may_see(found):
            raise TicketNotFound
        return found.at(self._now())

    async def _for_change(self, tx: Connection, id_: UUID, viewer: Viewer) -> Ticket:
        found = await tickets.get_for_change(tx, id_)
        if found is None or not viewer.may_see(found):
            raise TicketNotFound
        return found


def _viewer() -> Viewer:
    call = calls.current()
    return Viewer.of(call.caller, call.person)


def _message(ticket: Ticket, viewer: Viewer, body: str, now: datetime, *, internal: bool = False) -> Message:
    message = Message(
        id=uuid7(),
        ticket_id=ticket.id,
        author_id=viewer.person,
        from_agent=viewer.is_agent and viewer.person != ticket.requester_id,
        internal=internal,
        body=body,
        created_at=now,
    )
    message.check()
    return message
