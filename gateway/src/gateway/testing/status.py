"""Stand-ins for the status service."""

from typing import TYPE_CHECKING, Any, ClassVar

from gateway.testing.told import Told
from gateway.testing.watching import Lasting
from neoforge.status.v1 import incidents_pb2, incidents_pb2_grpc, page_pb2, page_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import grpc


class StandInPage(Told, page_pb2_grpc.PageServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = page_pb2
    GetPage = GetUptime = Told.answer

    def __init__(self) -> None:
        super().__init__()
        self.watched = Lasting()
        """What is told of the page to who follows it: each time all that was told last."""

    async def follow(self, request: page_pb2.WatchPageRequest, context: Any) -> "AsyncIterator[Any]":
        """Begin with what was told last."""
        del request
        async for told in self.watched.follow(max(0, len(self.watched.told) - 1), context):
            yield told

    WatchPage = follow


class StandInIncidents(Told, incidents_pb2_grpc.IncidentServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = incidents_pb2
    CreateIncident = GetIncident = ListIncidents = UpdateIncident = CreateIncidentUpdate = Told.answer


class StandInStatus:
    """Both of them."""

    def __init__(self) -> None:
        self.page = StandInPage()
        self.incidents = StandInIncidents()

    def reset(self) -> None:
        """Forget everything."""
        self.page.reset()
        self.incidents.reset()

    def add_to(self, server: "grpc.aio.Server") -> None:
        """Answer on this server."""
        page_pb2_grpc.add_PageServiceServicer_to_server(self.page, server)
        incidents_pb2_grpc.add_IncidentServiceServicer_to_server(self.incidents, server)
