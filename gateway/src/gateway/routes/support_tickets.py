"""Support tickets, their threads and their histories."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import Declaration, Key, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes import support_models as models
from gateway.routes.support_attachments import attachment_json
from gateway.routes.support_stubs import stubs
from neoforge.support.v1 import tickets_pb2 as pb

tickets: Final = Operations("tickets")

_PATH: Final = "/api/v1/support/tickets"
_ITEM: Final = _PATH + "/{ticket_id:id}"
_MESSAGES: Final = _ITEM + "/messages"
_HISTORY: Final = _ITEM + "/history"

TicketId = Annotated[str, Path(description="The ticket's id.", json_schema_extra={"format": "uuid"})]
TicketPatch = Annotated[models.TicketChanges, Body(media_type="application/merge-patch+json")]

_STATUS: Final = {
    "open": pb.STATUS_OPEN,
    "pending": pb.STATUS_PENDING,
    "solved": pb.STATUS_SOLVED,
    "closed": pb.STATUS_CLOSED,
}
_PRIORITY: Final = {
    "low": pb.PRIORITY_LOW,
    "normal": pb.PRIORITY_NORMAL,
    "high": pb.PRIORITY_HIGH,
    "urgent": pb.PRIORITY_URGENT,
}
_ORDER: Final = {
    "created_at": pb.TICKET_ORDER_CREATED_AT_ASC,
    "-created_at": pb.TICKET_ORDER_CREATED_AT_DESC,
    "updated_at": pb.TICKET_ORDER_UPDATED_AT_ASC,
    "-updated_at": pb.TICKET_ORDER_UPDATED_AT_DESC,
    "priority": pb.TICKET_ORDER_PRIORITY_ASC,
    "-priority": pb.TICKET_ORDER_PRIORITY_DESC,
    "due_at": pb.TICKET_ORDER_DUE_ASC,
    "-due_at": pb.TICKET_ORDER_DUE_DESC,
}
_STATUS_NAMES: Final = {number: name for name, number in _STATUS.items()}
_PRIORITY_NAMES: Final = {number: name for name, number in _PRIORITY.items()}


@tickets.serve(_ITEM, Declaration(Kind.READ, "GET", models.Ticket))
async def get_ticket(call: Call, ticket_id: TicketId) -> Answer:
    """Read one ticket."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(stubs(call).tickets.GetTicket, pb.GetTicketRequest(id=ticket_id, unless_version=known))
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    ticket = reply.message.ticket
    return Answer(to_json(ticket_json(ticket)), tag=str(ticket.version))


@tickets.serve(
    _PATH, Declaration(Kind.CREATE, "POST", models.OpenedTicket, success=HTTPStatus.CREATED, key=Key.REQUIRED)
)
async def create_ticket(call: Call, body: models.NewTicket) -> Answer:
    """Open a ticket with its first message."""
    reply = await call.ask(
        stubs(call).tickets.CreateTicket,
        pb.CreateTicketRequest(
            subject=body.subject,
            body=body.body,
            priority=_PRIORITY[body.priority],
            labels=body.labels,
            contact_email=body.contact_email or "",
            requester_id=body.requester_id or "",
            assignee_id=body.assignee_id or "",
        ),
    )
    ticket = reply.message.ticket
    return Answer(
        to_json({**ticket_json(ticket), "message_id": reply.message.message_id}),
        tag=str(ticket.version),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{ticket.id}",
        replayed=reply.replayed,
    )


@tickets.serve(_PATH, Declaration(Kind.READ, "GET", PaginatedResponse[models.Ticket], has_cursor=True))
async def list_tickets(call: Call, query: Annotated[models.TicketQuery, Query()]) -> Answer:
    """List the queue, or a customer's own tickets, a page at a time."""
    me = str(call.caller.subject)
    assignee = me if query.assignee == "me" else query.assignee
    reply = await call.ask(
        stubs(call).tickets.ListTickets,
        pb.ListTicketsRequest(
            status=_STATUS[query.status] if query.status else pb.STATUS_UNSPECIFIED,
            priority=_PRIORITY[query.priority] if query.priority else pb.PRIORITY_UNSPECIFIED,
            assignee_id="" if assignee in {None, "none"} else assignee,
            unassigned=assignee == "none",
            labels=query.label,
            requester_id=(me if query.requester == "me" else query.requester) or "",
            overdue=query.overdue == "true",
            text=query.text,
            order=_ORDER[query.order],
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
        ),
    )
    page = reply.message.page
    body = to_json(page_json([ticket_json(ticket) for ticket in reply.message.tickets], page))
    return Answer(body, tag=tag_of(body), links=page_links(_PATH, query, page))


@tickets.serve(
    _ITEM,
    Declaration(
        Kind.CHANGE,
        "PATCH",
        models.Ticket,
        key=Key.OPTIONAL,
        media_types=MERGE_PATCH,
        conflicts=("TICKET_CLOSED", "ILLEGAL_MOVE"),
    ),
)
async def update_ticket(call: Call, ticket_id: TicketId, body: TicketPatch) -> Answer:
    """Change a ticket, as a JSON merge patch (RFC 7396)."""
    reply = await call.ask(
        stubs(call).tickets.UpdateTicket,
        pb.UpdateTicketRequest(
            ticket=pb.Ticket(
                id=ticket_id,
                subject=body.subject,
                status=_STATUS[body.status],
                priority=_PRIORITY[body.priority],
                assignee_id=body.assignee_id or "",
                labels=body.labels or (),
                contact_email=body.contact_email or "",
            ),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_version(call, ticket_id),
        ),
    )
    ticket = reply.message.ticket
    return Answer(to_json(ticket_json(ticket)), tag=str(ticket.version), replayed=reply.replayed)


@tickets.serve(
    _MESSAGES,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Message,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        tagged=Tagged.CONTENT,
        conflicts=("TICKET_CLOSED", "LIMIT_REACHED"),
    ),
)
async def create_message(call: Call, ticket_id: TicketId, body: models.NewMessage) -> Answer:
    """Add a public reply, or an internal note, to a ticket."""
    reply = await call.ask(
        stubs(call).tickets.CreateMessage,
        pb.CreateMessageRequest(ticket_id=ticket_id, body=body.body, internal=body.internal),
    )
    return Answer(
        to_json(message_json(reply.message.message)),
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{ticket_id}/messages",
        replayed=reply.replayed,
    )


@tickets.serve(
    _MESSAGES,
    Declaration(Kind.READ, "GET", PaginatedResponse[models.Message], has_cursor=True, tagged=Tagged.CONTENT),
)
async def list_messages(call: Call, ticket_id: TicketId, query: Annotated[models.ThreadQuery, Query()]) -> Answer:
    """List a ticket's messages, a page at a time; internal notes for agents alone."""
    reply = await call.ask(
        stubs(call).tickets.ListMessages,
        pb.ListMessagesRequest(
            ticket_id=ticket_id,
            newest_first=query.order == "-created_at",
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
        ),
    )
    page = reply.message.page
    body = to_json(page_json([message_json(message) for message in reply.message.messages], page))
    return Answer(body, tag=tag_of(body), links=page_links(f"{_PATH}/{ticket_id}/messages", query, page))


@tickets.serve(
    _HISTORY,
    Declaration(Kind.READ, "GET", PaginatedResponse[models.HistoryEntry], has_cursor=True, tagged=Tagged.CONTENT),
)
async def list_history(call: Call, ticket_id: TicketId, query: Annotated[PageQuery, Query()]) -> Answer:
    """List who changed what in a ticket, newest first; what concerns internal notes for agents alone."""
    reply = await call.ask(
        stubs(call).tickets.ListHistory,
        pb.ListHistoryRequest(
            ticket_id=ticket_id, page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
        ),
    )
    page = reply.message.page
    body = to_json(page_json([entry_json(entry) for entry in reply.message.entries], page))
    return Answer(body, tag=tag_of(body), links=page_links(f"{_PATH}/{ticket_id}/history", query, page))


def ticket_json(ticket: pb.Ticket) -> dict[str, Any]:
    """Write a ticket."""
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "status": _STATUS_NAMES[ticket.status],
        "priority": _PRIORITY_NAMES[ticket.priority],
        "requester_id": ticket.requester_id,
        "assignee_id": ticket.assignee_id or None,
        "labels": list(ticket.labels),
        "contact_email": ticket.contact_email or None,
        "created_at": rfc3339(ticket.created_at),
        "updated_at": rfc3339(ticket.updated_at),
        "version": ticket.version,
        "targets": _targets_json(ticket.targets),
    }


def _targets_json(targets: pb.Targets) -> dict[str, Any]:
    return {
        "first_response_due_at": rfc3339(targets.first_response_due_at),
        "first_responded_at": _moment(targets, "first_responded_at"),
        "first_response_breached": targets.first_response_breached,
        "resolution_due_at": _moment(targets, "resolution_due_at"),
        "solved_at": _moment(targets, "solved_at"),
        "resolution_breached": targets.resolution_breached,
        "due_at": _moment(targets, "due_at"),
    }


def _moment(targets: pb.Targets, field: Any) -> str | None:
    return rfc3339(getattr(targets, field)) if targets.HasField(field) else None


def message_json(message: pb.Message) -> dict[str, Any]:
    """Write a message of a thread."""
    return {
        "id": message.id,
        "ticket_id": message.ticket_id,
        "author_id": message.author_id,
        "from_agent": message.from_agent,
        "internal": message.internal,
        "body": message.body,
        "created_at": rfc3339(message.created_at),
        "attachments": [attachment_json(attachment) for attachment in message.attachments],
    }


def entry_json(entry: pb.HistoryEntry) -> dict[str, Any]:
    """Write an entry of a history."""
    return {
        "id": entry.id,
        "event": pb.Event.Name(entry.event).removeprefix("EVENT_").lower(),
        "actor_id": entry.actor_id or None,
        "changes": [{"field": c.field, "before": c.before, "after": c.after} for c in entry.changes],
        "message_id": entry.message_id or None,
        "created_at": rfc3339(entry.created_at),
    }


async def _expected_version(call: Call, ticket_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(stubs(call).tickets.GetTicket, pb.GetTicketRequest(id=ticket_id))
        return int(found.ticket.version)

    return await call.preconditions.expected_version(current)
