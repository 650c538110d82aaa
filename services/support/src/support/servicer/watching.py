"""neoforge.support.v1.TicketWatchService."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import parse_uuid
from chassis.database import Connection, Database
from chassis.watching import Watches, Watching, lasting
from neoforge.support.v1 import watching_pb2 as pb
from neoforge.support.v1 import watching_pb2_grpc
from support import convert
from support.errors import TicketNotFound
from support.model.ticket import Ticket
from support.model.viewer import Viewer
from support.store import numbers, threads, tickets

_BATCH: Final = 100

WatchedTickets: TypeAlias = Watching[UUID, int]
"""Tickets that somebody follows, by their ids; their states are the highest numbers in their histories."""


def watched_tickets(watches: Watches, database: Database) -> WatchedTickets:
    """Begin to watch tickets."""

    async def look(ids: Collection[UUID]) -> Mapping[UUID, int]:
        async with database.connection() as connection:
            return await numbers.latest(connection, ids)

    return watches.over(look)


class TicketWatchServicer(watching_pb2_grpc.TicketWatchServiceServicer):
    """Answers the calls of TicketWatchService from PostgreSQL; `now` tells the time."""

    def __init__(self, database: Database, watched: WatchedTickets, now: Callable[[], datetime]) -> None:
        self._database = database
        self._watched = watched
        self._now = now

    @lasting
    @allow(SIGNED_IN)
    async def WatchTicket(self, request: pb.WatchTicketRequest, context: Any) -> AsyncIterator[pb.WatchTicketResponse]:
        id_, call = parse_uuid(request.id, "id"), calls.current()
        viewer = Viewer.of(call.caller, call.person)
        after = parse_uuid(request.after, "after") if request.after else None
        async with self._watched.of(id_):
            async with self._database.connection() as connection:
                # The place before the ticket: what it shows is then at least as new.
                ticket = await self._seen(connection, id_, viewer)
                place = after and await numbers.place(connection, id_, after, with_internal=viewer.is_agent)
                if not place:
                    newest = await numbers.newest(connection, id_, with_internal=viewer.is_agent)
                    ticket = await self._seen(connection, id_, viewer)
            if place:
                yield pb.WatchTicketResponse(position=str(place.id))
            else:
                place = newest
                shown = convert.ticket_proto(ticket)
                yield pb.WatchTicketResponse(position=str(place.id), ticket=shown, reset=after is not None)
            reached, latest = place.number, None
            while True:
                while found := await self._after(id_, reached, viewer):
                    for reached, response in found:  # noqa: B007 - goes on after the last
                        yield response
                latest = await self._watched.other_than(latest, id_)

    async def _after(self, id_: UUID, number: int, viewer: Viewer) -> list[tuple[int, pb.WatchTicketResponse]]:
        """Give what happened after the entry with this number, as much of it as is told at once."""
        async with self._database.connection() as connection:
            found = await numbers.after(connection, id_, number, _BATCH, with_internal=viewer.is_agent)
            if not found:
                return []
            ticket = await self._seen(connection, id_, viewer)
            messages = await numbers.messages_of(connection, [entry for _, entry in found])
            attachments = await threads.attachments_of(connection, list(messages.values()))
        shown = convert.ticket_proto(ticket)
        told = []
        for place, entry in found:
            response = pb.WatchTicketResponse(position=str(entry.id), entry=convert.entry_proto(entry), ticket=shown)
            if entry.message_id is not None:
                about = messages[entry.message_id]
                response.message.CopyFrom(convert.message_proto(about, attachments[about.id]))
            told.append((place, response))
        return told

    async def _seen(self, connection: Connection, id_: UUID, viewer: Viewer) -> Ticket:
        found = await tickets.get(connection, id_)
        if found is None or not viewer.may_see(found):
            raise TicketNotFound
        return found.at(self._now())
