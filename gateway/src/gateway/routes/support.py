"""Support tickets, their threads, files and histories, and canned replies."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic_core import to_json

from gateway.body import MERGE_PATCH, read_parts
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.idempotency import fingerprint
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PageQuery, PaginatedResponse, page_json, page_links
from gateway.parts import SupportStubs
from gateway.representation import Answer, Download, tag_of
from gateway.routes import support_models as models
from neoforge.support.v1 import attachments_pb2 as files_pb
from neoforge.support.v1 import canned_replies_pb2 as canned_pb
from neoforge.support.v1 import tickets_pb2 as pb

tickets: Final = Operations("tickets")
attachments: Final = Operations("attachments")
canned_replies: Final = Operations("canned replies")

_PATH: Final = "/api/v1/support/tickets"
_ITEM: Final = _PATH + "/{ticket_id:id}"
_MESSAGES: Final = _ITEM + "/messages"
_HISTORY: Final = _ITEM + "/history"
_UPLOAD: Final = _MESSAGES + "/{message_id:id}/attachments"
_FILE: Final = _ITEM + "/attachments/{attachment_id:id}"
_CANNED: Final = "/api/v1/support/canned-replies"
_CANNED_ITEM: Final = _CANNED + "/{canned_reply_id:id}"

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
_PART_BYTES: Final = 64 * 1024

_UUID: Final = {"format": "uuid"}
TicketId = Annotated[str, Path(description="The ticket's id.", json_schema_extra=_UUID)]
MessageId = Annotated[str, Path(description="The message's id.", json_schema_extra=_UUID)]
AttachmentId = Annotated[str, Path(description="The attachment's id.", json_schema_extra=_UUID)]
CannedReplyId = Annotated[str, Path(description="The canned reply's id.", json_schema_extra=_UUID)]
TicketPatch = Annotated[models.TicketChanges, Body(media_type="application/merge-patch+json")]
CannedReplyPatch = Annotated[models.CannedReplyChanges, Body(media_type="application/merge-patch+json")]

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
    reply = await call.ask(_service(call).tickets.GetTicket, pb.GetTicketRequest(id=ticket_id, unless_version=known))
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    ticket = reply.message.ticket
    return Answer(to_json(_ticket_json(ticket)), tag=str(ticket.version))


@tickets.serve(
    _PATH, Declaration(Kind.CREATE, "POST", models.OpenedTicket, success=HTTPStatus.CREATED, key=Key.REQUIRED)
)
async def create_ticket(call: Call, body: models.NewTicket) -> Answer:
    """Open a ticket with its first message."""
    reply = await call.ask(
        _service(call).tickets.CreateTicket,
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
        to_json({**_ticket_json(ticket), "message_id": reply.message.message_id}),
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
        _service(call).tickets.ListTickets,
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
    body = to_json(page_json([_ticket_json(ticket) for ticket in reply.message.tickets], page))
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
        _service(call).tickets.UpdateTicket,
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
    return Answer(to_json(_ticket_json(ticket)), tag=str(ticket.version), replayed=reply.replayed)


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
        _service(call).tickets.CreateMessage,
        pb.CreateMessageRequest(ticket_id=ticket_id, body=body.body, internal=body.internal),
    )
    return Answer(
        to_json(_message_json(reply.message.message)),
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
        _service(call).tickets.ListMessages,
        pb.ListMessagesRequest(
            ticket_id=ticket_id,
            newest_first=query.order == "-created_at",
            page_size=query.page_size,
            page=query.page or 0,
            cursor=query.cursor or "",
        ),
    )
    page = reply.message.page
    body = to_json(page_json([_message_json(message) for message in reply.message.messages], page))
    return Answer(body, tag=tag_of(body), links=page_links(f"{_PATH}/{ticket_id}/messages", query, page))


@tickets.serve(
    _HISTORY,
    Declaration(Kind.READ, "GET", PaginatedResponse[models.HistoryEntry], has_cursor=True, tagged=Tagged.CONTENT),
)
async def list_history(call: Call, ticket_id: TicketId, query: Annotated[PageQuery, Query()]) -> Answer:
    """List who changed what in a ticket, newest first; what concerns internal notes for agents alone."""
    reply = await call.ask(
        _service(call).tickets.ListHistory,
        pb.ListHistoryRequest(
            ticket_id=ticket_id, page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""
        ),
    )
    page = reply.message.page
    body = to_json(page_json([_entry_json(entry) for entry in reply.message.entries], page))
    return Answer(body, tag=tag_of(body), links=page_links(f"{_PATH}/{ticket_id}/history", query, page))


@attachments.serve(
    _UPLOAD,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Attachment,
        success=HTTPStatus.CREATED,
        key=Key.OPTIONAL,
        takes_file=True,
        conflicts=("TICKET_CLOSED", "LIMIT_REACHED"),
    ),
)
async def upload_attachment(
    call: Call, ticket_id: TicketId, message_id: MessageId, query: Annotated[models.UploadQuery, Query()]
) -> Answer:
    """Attach a file, the body as it is, to a message of one's own; up to 10 MiB."""
    content_type = call.headers.get("content-type", "")
    if call.keyed is not None:
        # The service adds the content, of which only it has seen all when the key is looked up.
        route = {"ticket_id": ticket_id, "message_id": message_id}
        asked = [query.filename, content_type]
        call.keyed = call.keyed[0], fingerprint("POST", _UPLOAD, route, asked)

    async def parts() -> AsyncIterator[files_pb.UploadAttachmentRequest]:
        size, content_hash = 0, hashlib.sha256()
        header = files_pb.UploadHeader(
            ticket_id=ticket_id, message_id=message_id, filename=query.filename, content_type=content_type
        )
        yield files_pb.UploadAttachmentRequest(header=header)
        async for part in read_parts(call.scope, call.receive, MAX_FILE_BYTES, _PART_BYTES):
            size += len(part)
            content_hash.update(part)
            yield files_pb.UploadAttachmentRequest(chunk=part)
        end = files_pb.UploadEnd(size=size, sha256=content_hash.hexdigest())
        yield files_pb.UploadAttachmentRequest(end=end)

    reply = await call.give(_service(call).attachments.UploadAttachment, parts())
    attachment = reply.message.attachment
    return Answer(
        to_json(_attachment_json(attachment)),
        tag=attachment.sha256,
        status=HTTPStatus.CREATED,
        location=f"{_PATH}/{ticket_id}/attachments/{attachment.id}",
        replayed=reply.replayed,
    )


@attachments.serve(_FILE, Declaration(Kind.READ, "GET", None, gives_file=True))
async def download_attachment(call: Call, ticket_id: TicketId, attachment_id: AttachmentId) -> Answer:
    """Read a file."""
    known = call.preconditions.if_none_match
    request = files_pb.DownloadAttachmentRequest(
        ticket_id=ticket_id,
        attachment_id=attachment_id,
        unless_sha256=known.tags[0].opaque if known and len(known.tags) == 1 else "",
    )
    replies = call.take(_service(call).attachments.DownloadAttachment, request)
    attachment = (await anext(replies)).attachment

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            async for reply in replies:
                yield reply.chunk
        finally:
            await replies.aclose()

    download = Download(parts(), attachment.size, attachment.content_type, attachment.filename)
    return Answer(tag=attachment.sha256, download=download)


@canned_replies.serve(
    _CANNED, Declaration(Kind.CREATE, "POST", models.CannedReply, success=HTTPStatus.CREATED, key=Key.REQUIRED)
)
async def create_canned_reply(call: Call, body: models.NewCannedReply) -> Answer:
    """Create a canned reply; for agents, as all that follows."""
    reply = await call.ask(
        _service(call).canned_replies.CreateCannedReply,
        canned_pb.CreateCannedReplyRequest(title=body.title, body=body.body),
    )
    canned = reply.message.canned_reply
    return Answer(
        to_json(_canned_json(canned)),
        tag=str(canned.version),
        status=HTTPStatus.CREATED,
        location=f"{_CANNED}/{canned.id}",
        replayed=reply.replayed,
    )


@canned_replies.serve(_CANNED, Declaration(Kind.READ, "GET", PaginatedResponse[models.CannedReply], has_cursor=True))
async def list_canned_replies(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the canned replies by title, a page at a time."""
    reply = await call.ask(
        _service(call).canned_replies.ListCannedReplies,
        canned_pb.ListCannedRepliesRequest(page_size=query.page_size, page=query.page or 0, cursor=query.cursor or ""),
    )
    page = reply.message.page
    body = to_json(page_json([_canned_json(canned) for canned in reply.message.canned_replies], page))
    return Answer(body, tag=tag_of(body), links=page_links(_CANNED, query, page))


@canned_replies.serve(_CANNED_ITEM, Declaration(Kind.READ, "GET", models.CannedReply))
async def get_canned_reply(call: Call, canned_reply_id: CannedReplyId) -> Answer:
    """Read one canned reply."""
    known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
    reply = await call.ask(
        _service(call).canned_replies.GetCannedReply,
        canned_pb.GetCannedReplyRequest(id=canned_reply_id, unless_version=known),
    )
    if reply.message.WhichOneof("result") == "unchanged_version":
        return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
    canned = reply.message.canned_reply
    return Answer(to_json(_canned_json(canned)), tag=str(canned.version))


@canned_replies.serve(
    _CANNED_ITEM,
    Declaration(Kind.CHANGE, "PATCH", models.CannedReply, key=Key.OPTIONAL, media_types=MERGE_PATCH),
)
async def update_canned_reply(call: Call, canned_reply_id: CannedReplyId, body: CannedReplyPatch) -> Answer:
    """Change a canned reply, as a JSON merge patch (RFC 7396)."""
    reply = await call.ask(
        _service(call).canned_replies.UpdateCannedReply,
        canned_pb.UpdateCannedReplyRequest(
            canned_reply=canned_pb.CannedReply(id=canned_reply_id, title=body.title, body=body.body),
            update_mask=FieldMask(paths=sorted(body.model_fields_set)),
            expected_version=await _expected_canned_version(call, canned_reply_id),
        ),
    )
    canned = reply.message.canned_reply
    return Answer(to_json(_canned_json(canned)), tag=str(canned.version), replayed=reply.replayed)


@canned_replies.serve(_CANNED_ITEM, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
async def delete_canned_reply(call: Call, canned_reply_id: CannedReplyId) -> Answer:
    """Delete a canned reply."""
    reply = await call.ask(
        _service(call).canned_replies.DeleteCannedReply,
        canned_pb.DeleteCannedReplyRequest(
            id=canned_reply_id, expected_version=await _expected_canned_version(call, canned_reply_id)
        ),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


def _service(call: Call) -> SupportStubs:
    support = call.parts.support
    assert support is not None, "these routes are there only with the service"  # noqa: S101 - app.py sees to it
    return support


def _ticket_json(ticket: pb.Ticket) -> dict[str, Any]:
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


def _message_json(message: pb.Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "ticket_id": message.ticket_id,
        "author_id": message.author_id,
        "from_agent": message.from_agent,
        "internal": message.internal,
        "body": message.body,
        "created_at": rfc3339(message.created_at),
        "attachments": [_attachment_json(attachment) for attachment in message.attachments],
    }


def _attachment_json(attachment: files_pb.Attachment) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "message_id": attachment.message_id,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "created_at": rfc3339(attachment.created_at),
    }


def _entry_json(entry: pb.HistoryEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "event": pb.Event.Name(entry.event).removeprefix("EVENT_").lower(),
        "actor_id": entry.actor_id or None,
        "changes": [{"field": c.field, "before": c.before, "after": c.after} for c in entry.changes],
        "message_id": entry.message_id or None,
        "created_at": rfc3339(entry.created_at),
    }


def _canned_json(canned: canned_pb.CannedReply) -> dict[str, Any]:
    return {
        "id": canned.id,
        "title": canned.title,
        "body": canned.body,
        "author_id": canned.author_id,
        "created_at": rfc3339(canned.created_at),
        "updated_at": rfc3339(canned.updated_at),
        "version": canned.version,
    }


async def _expected_version(call: Call, ticket_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        found = await call.look(_service(call).tickets.GetTicket, pb.GetTicketRequest(id=ticket_id))
        return int(found.ticket.version)

    return await call.preconditions.expected_version(current)


async def _expected_canned_version(call: Call, canned_reply_id: str) -> int:
    """Give the version that the request's preconditions ask for."""

    async def current() -> int:
        request = canned_pb.GetCannedReplyRequest(id=canned_reply_id)
        found = await call.look(_service(call).canned_replies.GetCannedReply, request)
        return int(found.canned_reply.version)

    return await call.preconditions.expected_version(current)
