"""Following a ticket: everything that its reader may see, each once, in order, from wherever they were."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from chassis.identity import Caller
from chassis.rpc.client import watch
from chassis.testing.client import Client
from neoforge.support.v1 import tickets_pb2 as tickets
from neoforge.support.v1 import watching_pb2 as pb
from neoforge.support.v1.watching_pb2_grpc import TicketWatchServiceStub
from support.testing.desk import Desk, Files


def following(call: Client, caller: Caller, ticket_id: str, after: str = "") -> AsyncGenerator[Any, None]:
    request = pb.WatchTicketRequest(id=ticket_id, after=after)
    return watch(TicketWatchServiceStub(call.channel).WatchTicket, request, caller=caller, request_id="watch")


async def test_a_follower_begins_with_the_ticket_and_gets_what_happens_to_it(
    call: Client, desk: Desk, files: Files, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    async with aclosing(following(call, mara, ticket.id)) as told:
        begun = await anext(told)
        assert (begun.ticket, begun.reset, begun.HasField("entry")) == (ticket, False, False)
        reply = await desk.reply(tomas, ticket, "Have you tried?")
        heard = await anext(told)
        assert (heard.entry.event, heard.message, heard.ticket) == (tickets.EVENT_REPLIED, reply.message, reply.ticket)
        attached = await files.send(tomas, ticket.id, reply.message.id)
        heard = await anext(told)
        assert (heard.entry.event, list(heard.message.attachments)) == (tickets.EVENT_ATTACHED, [attached])
