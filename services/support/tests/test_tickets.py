from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import tickets_pb2 as pb


async def test_a_ticket_can_be_read_by_its_requester_as_it_was_opened(call: Client, mara: Caller) -> None:
    request = pb.CreateTicketRequest(subject="It is broken", body="Help", labels=["printer"])
    opened = (await call(mara, "CreateTicket", request)).ticket
    assert (opened.status, opened.priority, opened.version) == (pb.STATUS_OPEN, pb.PRIORITY_NORMAL, 1)
    assert (await call(mara, "GetTicket", pb.GetTicketRequest(id=opened.id))).ticket == opened
    listed = await call(mara, "ListTickets", pb.ListTicketsRequest())
    assert list(listed.tickets) == [opened]
