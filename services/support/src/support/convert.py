"""Between the model and the protos of neoforge.support.v1."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.convert import from_enum, masked, needed, parse_uuid, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from chassis.mail.addresses import Address, InvalidAddress
from chassis.paging import Order, both_ways
from neoforge.support.v1 import attachments_pb2, canned_replies_pb2
from neoforge.support.v1 import tickets_pb2 as pb
from support.model.canned_reply import CannedReply
from support.model.message import Attachment, Entry, Message
from support.model.targets import Priority, Targets
from support.model.ticket import Filter, Status, Ticket

_CREATED, _CREATED_DESC = both_ways("created_at")
_UPDATED, _UPDATED_DESC = both_ways("updated_at")
_PRIORITY, _PRIORITY_DESC = both_ways("priority")
_DUE, _DUE_DESC = both_ways("due_at")

_ORDERS: Final[Mapping[int, Order]] = {
    pb.TICKET_ORDER_UNSPECIFIED: _CREATED_DESC,
    pb.TICKET_ORDER_CREATED_AT_ASC: _CREATED,
    pb.TICKET_ORDER_CREATED_AT_DESC: _CREATED_DESC,
    pb.TICKET_ORDER_UPDATED_AT_ASC: _UPDATED,
    pb.TICKET_ORDER_UPDATED_AT_DESC: _UPDATED_DESC,
    pb.TICKET_ORDER_PRIORITY_ASC: _PRIORITY,
    pb.TICKET_ORDER_PRIORITY_DESC: _PRIORITY_DESC,
    pb.TICKET_ORDER_DUE_ASC: _DUE,
    pb.TICKET_ORDER_DUE_DESC: _DUE_DESC,
}

THREAD_ORDERS: Final = {False: _CREATED, True: _CREATED_DESC}
"""By `newest_first`."""

HISTORY_ORDER: Final = _CREATED_DESC

_CHANGES: Final[Mapping[str, Callable[[pb.Ticket], Any]]] = {
    "subject": lambda t: t.subject,
    "status": lambda t: needed(from_enum(pb.Status, Status, t.status, "status"), "status"),
    "priority": lambda t: needed(priority(t.priority), "priority"),
    "assignee_id": lambda t: person(t.assignee_id, "assignee_id"),
    "labels": lambda t: tuple(t.labels),
    "contact_email": lambda t: email(t.contact_email),
}

_CANNED_CHANGES: Final[Mapping[str, Callable[[canned_replies_pb2.CannedReply], Any]]] = {
    "title": lambda r: r.title,
    "body": lambda r: r.body,
}


def priority(number: int) -> Priority | None:
    """Give the priority of a proto's, None for UNSPECIFIED.

    Raises:
        InvalidFields: there is no such value.
    """
    return from_enum(pb.Priority, Priority, number, "priority")


def person(id_: str, field: str) -> UUID | None:
    """Read a person's id that may be empty.

    Raises:
        InvalidFields: it is no UUID.
    """
    return parse_uuid(id_, field) if id_ else None


def email(address: str) -> str:
    """Read an address that may be empty.

    Raises:
        InvalidFields: it is none.
    """
    if not address:
        return ""
    try:
        return str(Address.parse(address))
    except InvalidAddress as invalid:
        raise InvalidFields.of([Violation("contact_email", str(invalid))]) from None


def ticket_proto(ticket: Ticket) -> pb.Ticket:
    """Give a ticket as its message."""
    return pb.Ticket(
        id=str(ticket.id),
        subject=ticket.subject,
        status=to_enum(pb.Status, ticket.status),
        priority=to_enum(pb.Priority, ticket.priority),
        requester_id=str(ticket.requester_id),
        assignee_id=str(ticket.assignee_id or ""),
        labels=ticket.labels,
        contact_email=ticket.contact_email,
        created_at=timestamp(ticket.created_at),
        updated_at=timestamp(ticket.updated_at),
        version=ticket.version,
        targets=_targets_proto(ticket.targets),
    )


def _targets_proto(targets: Targets) -> pb.Targets:
    return pb.Targets(
        first_response_due_at=timestamp(targets.first_response_due_at),
        first_responded_at=_moment(targets.first_responded_at),
        first_response_breached=targets.first_response_breached,
        resolution_due_at=_moment(targets.resolution_due_at),
        solved_at=_moment(targets.solved_at),
        resolution_breached=targets.resolution_breached,
        due_at=_moment(targets.due_at),
    )


def message_proto(message: Message, attachments: Sequence[Attachment]) -> pb.Message:
    """Give a message with its attachments as its message."""
    return pb.Message(
        id=str(message.id),
        ticket_id=str(message.ticket_id),
        author_id=str(message.author_id),
        from_agent=message.from_agent,
        internal=message.internal,
        body=message.body,
        created_at=timestamp(message.created_at),
        attachments=map(attachment_proto, attachments),
    )


def attachment_proto(attachment: Attachment) -> attachments_pb2.Attachment:
    """Give an attachment as its message."""
    return attachments_pb2.Attachment(
        id=str(attachment.id),
        message_id=str(attachment.message_id),
        filename=attachment.filename,
        content_type=attachment.content_type,
        size=attachment.size,
        sha256=attachment.sha256.hex(),
        created_at=timestamp(attachment.created_at),
    )


def entry_proto(entry: Entry) -> pb.HistoryEntry:
    """Give an entry of a history as its message."""
    return pb.HistoryEntry(
        id=str(entry.id),
        event=to_enum(pb.Event, entry.event),
        actor_id=str(entry.actor_id or ""),
        changes=[pb.Change(field=c.field, before=c.before, after=c.after) for c in entry.changes],
        message_id=str(entry.message_id or ""),
        created_at=timestamp(entry.created_at),
    )


def canned_reply_proto(reply: CannedReply) -> canned_replies_pb2.CannedReply:
    """Give a canned reply as its message."""
    return canned_replies_pb2.CannedReply(
        id=str(reply.id),
        title=reply.title,
        body=reply.body,
        author_id=str(reply.author_id),
        created_at=timestamp(reply.created_at),
        updated_at=timestamp(reply.updated_at),
        version=reply.version,
    )


def changes(request: pb.UpdateTicketRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed, or a value is none of its field's.
    """
    return masked(request.update_mask.paths, _CHANGES, request.ticket)


def canned_changes(request: canned_replies_pb2.UpdateCannedReplyRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask, as `changes` does."""
    return masked(request.update_mask.paths, _CANNED_CHANGES, request.canned_reply)


def wanted(request: pb.ListTicketsRequest) -> tuple[Filter, Order]:
    """Give filter and order of a list.

    Raises:
        InvalidFields: a field breaks its rule.
    """
    asked = Filter(
        status=from_enum(pb.Status, Status, request.status, "status"),
        priority=priority(request.priority),
        assignee_id=person(request.assignee_id, "assignee_id"),
        unassigned=request.unassigned,
        labels=tuple(request.labels),
        requester_id=person(request.requester_id, "requester_id"),
        overdue=request.overdue,
        text=request.text.strip(),  # blanks alone are no words
    )
    asked.check()
    order = _ORDERS.get(request.order)
    if order is None:
        raise InvalidFields.of([Violation("order", "is none of the orders")])
    return asked, order


def _moment(moment: datetime | None) -> Timestamp | None:
    return timestamp(moment) if moment is not None else None
