"""How routes ask the support service."""

from typing import TYPE_CHECKING

from grpc.aio import Channel

from gateway.call import Call
from neoforge.support.v1.attachments_pb2_grpc import AttachmentServiceStub
from neoforge.support.v1.canned_replies_pb2_grpc import CannedReplyServiceStub
from neoforge.support.v1.tickets_pb2_grpc import TicketServiceStub
from neoforge.support.v1.watching_pb2_grpc import TicketWatchServiceStub

if TYPE_CHECKING:
    # These exist for type checkers alone.
    from neoforge.support.v1.attachments_pb2_grpc import AttachmentServiceAsyncStub
    from neoforge.support.v1.canned_replies_pb2_grpc import CannedReplyServiceAsyncStub
    from neoforge.support.v1.tickets_pb2_grpc import TicketServiceAsyncStub
    from neoforge.support.v1.watching_pb2_grpc import TicketWatchServiceAsyncStub


class SupportStubs:
    """One for each of its proto services."""

    def __init__(self, channel: Channel) -> None:
        self.tickets: TicketServiceAsyncStub = TicketServiceStub(channel)
        self.attachments: AttachmentServiceAsyncStub = AttachmentServiceStub(channel)
        self.canned_replies: CannedReplyServiceAsyncStub = CannedReplyServiceStub(channel)
        self.watching: TicketWatchServiceAsyncStub = TicketWatchServiceStub(channel)


def stubs(call: Call) -> SupportStubs:
    """Give the stubs that a request's routes ask by."""
    return call.parts.service(SupportStubs)
