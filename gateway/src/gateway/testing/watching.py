"""Stand-ins for RPCs that last."""

import asyncio
from typing import TYPE_CHECKING, Any

from chassis.errors import DETAILS_KEY, DomainError, NotFound, to_status
from chassis.identity import SUBJECT
from neoforge.support.v1 import tickets_pb2, watching_pb2_grpc
from neoforge.support.v1 import watching_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc

    from gateway.testing.listener import Listener


class Lasting:
    """What is `told` goes to all who follow; `refusal`, once there is one, ends their calls. Used in the server's loop.

    `calls` counts all that have begun, `open` those that go on.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.refusal: DomainError | None = None
        self.calls = self.open = 0
        self._changed = asyncio.Event()

    def tell(self, message: Any) -> None:
        """Tell it."""
        self.told.append(message)
        self._wake()

    def refuse(self, refusal: DomainError | None) -> None:
        """End all calls, and those that come."""
        self.refusal = refusal
        self._wake()

    async def follow(self, reached: int, context: Any) -> "AsyncIterator[Any]":
        """Give what was told after so many messages, and what is told from now on."""
        self.calls += 1
        self.open += 1
        try:
            while True:
                if self.refusal is not None:
                    details = ((DETAILS_KEY, to_status(self.refusal).SerializeToString()),)
                    await context.abort(self.refusal.kind.value, self.refusal.message, details)
                if reached < len(self.told):
                    reached += 1
                    yield self.told[reached - 1]
                else:
                    await self._changed.wait()
        finally:
            self.open -= 1

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class StandInTickets(watching_pb2_grpc.TicketWatchServiceServicer):
    """One ticket, with the same history for everybody; entry n has the id that `entry_id` gives."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.happened = Lasting()
        self.after: list[str] = []
        """What the calls asked to begin after."""
        self.callers: list[str] = []
        self.hold: asyncio.Event | None = None
        """What calls wait for before they begin."""

    def reply(self, body: str) -> None:
        """Have something happen to the ticket."""
        id_ = entry_id(len(self.happened.told))
        entry = tickets_pb2.HistoryEntry(id=id_, event=tickets_pb2.EVENT_REPLIED)
        message = tickets_pb2.Message(id=id_, ticket_id=TICKET, body=body)
        self.happened.tell(pb.WatchTicketResponse(position=id_, entry=entry, message=message, ticket=_ticket()))

    async def follow(self, request: pb.WatchTicketRequest, context: Any) -> "AsyncIterator[Any]":
        """Begin with the ticket, or after an entry, and go on with what happens to it."""
        self.after.append(request.after)
        self.callers.append(dict(context.invocation_metadata())[SUBJECT])
        if self.hold is not None:
            await self.hold.wait()
        if request.id != TICKET:
            details = ((DETAILS_KEY, to_status(NotFound("there is no such ticket")).SerializeToString()),)
            await context.abort(NotFound.kind.value, "there is no such ticket", details)
        ids = [told.position for told in self.happened.told]
        if request.after in ids or request.after == OPENED:
            reached = ids.index(request.after) + 1 if request.after in ids else 0
            yield pb.WatchTicketResponse(position=request.after)
        else:
            reached = len(ids)
            position = ids[-1] if ids else OPENED
            yield pb.WatchTicketResponse(position=position, ticket=_ticket(), reset=bool(request.after))
        async for told in self.happened.follow(reached, context):
            yield told

    WatchTicket = follow

    def add_to(self, server: "grpc.aio.Server") -> None:
        """Answer on this server."""
        watching_pb2_grpc.add_TicketWatchServiceServicer_to_server(self, server)


def entry_id(number: int) -> str:
    """Give the id of the ticket's entry of that number, from 0."""
    return f"018f0000-0000-7000-9000-{number:012x}"


def bodies(listener: "Listener") -> list[str]:
    """Give the texts of the replies that came."""
    return [event.data["message"]["body"] for event in listener.events if event.name == "replied"]


TICKET = "018f0000-0000-7000-a000-000000000001"
OPENED = "018f0000-0000-7000-a000-000000000002"
"""The entry of its opening."""


def _ticket() -> tickets_pb2.Ticket:
    return tickets_pb2.Ticket(
        id=TICKET, subject="It is broken", status=tickets_pb2.STATUS_OPEN, priority=tickets_pb2.PRIORITY_NORMAL
    )
