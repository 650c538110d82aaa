"""Following a support ticket."""

import re
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic_core import to_json

from gateway.call import Call
from gateway.operations import Operations
from gateway.routes.support_stubs import stubs
from gateway.routes.support_tickets import entry_json, message_json, ticket_json
from gateway.streams.events import Event
from gateway.streams.feed import Feed
from gateway.streams.operation import follow
from neoforge.support.v1 import watching_pb2 as pb

ticket_streams: Final = Operations("tickets")

_STREAM: Final = "/api/v1/support/tickets/{ticket_id:id}/stream"
_UUID: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)

TicketId = Annotated[str, Path(description="The ticket's id.", json_schema_extra={"format": "uuid"})]


@follow(ticket_streams, _STREAM)
async def watch_ticket(call: Call, ticket_id: TicketId) -> Feed:
    """Follow a ticket: each entry of its history, once and in order, with the message that it is about.

    An event is called as its entry's `event` and has the entry's id; what concerns internal notes is for agents alone.
    Without `Last-Event-ID` the stream begins with an event `ticket`, the ticket as it is; with one that is no entry of
    the ticket, it begins with an event `reset` instead: entries may have been missed.
    """
    return Feed(
        stubs(call).watching.WatchTicket,
        lambda after: pb.WatchTicketRequest(id=ticket_id, after=after),
        _event,
        _UUID,
    )


def _event(told: pb.WatchTicketResponse) -> Event:
    data: dict[str, Any] = {"ticket": ticket_json(told.ticket)} if told.HasField("ticket") else {}
    if told.HasField("entry"):
        entry = entry_json(told.entry)
        data |= {"entry": entry, "message": message_json(told.message) if told.HasField("message") else None}
        return Event(told.position, entry["event"], to_json(data))
    if told.HasField("ticket"):
        return Event(told.position, "reset" if told.reset else "ticket", to_json(data))
    return Event(told.position)
