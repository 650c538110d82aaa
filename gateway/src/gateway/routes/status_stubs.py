"""How routes ask the status service."""

from typing import TYPE_CHECKING

from grpc.aio import Channel

from neoforge.common.v1.webhooks_pb2_grpc import WebhooksServiceStub
from neoforge.status.v1.components_pb2_grpc import ComponentServiceStub
from neoforge.status.v1.events_pb2_grpc import EventServiceStub
from neoforge.status.v1.incidents_pb2_grpc import IncidentServiceStub
from neoforge.status.v1.maintenances_pb2_grpc import MaintenanceServiceStub
from neoforge.status.v1.page_pb2_grpc import PageServiceStub
from neoforge.status.v1.subscribers_pb2_grpc import SubscriberServiceStub

if TYPE_CHECKING:
    # These exist for type checkers alone.
    from neoforge.common.v1.webhooks_pb2_grpc import WebhooksServiceAsyncStub
    from neoforge.status.v1.components_pb2_grpc import ComponentServiceAsyncStub
    from neoforge.status.v1.events_pb2_grpc import EventServiceAsyncStub
    from neoforge.status.v1.incidents_pb2_grpc import IncidentServiceAsyncStub
    from neoforge.status.v1.maintenances_pb2_grpc import MaintenanceServiceAsyncStub
    from neoforge.status.v1.page_pb2_grpc import PageServiceAsyncStub
    from neoforge.status.v1.subscribers_pb2_grpc import SubscriberServiceAsyncStub


class StatusStubs:
    """One for each of its proto services."""

    def __init__(self, channel: Channel) -> None:
        self.components: ComponentServiceAsyncStub = ComponentServiceStub(channel)
        self.events: EventServiceAsyncStub = EventServiceStub(channel)
        self.incidents: IncidentServiceAsyncStub = IncidentServiceStub(channel)
        self.maintenances: MaintenanceServiceAsyncStub = MaintenanceServiceStub(channel)
        self.page: PageServiceAsyncStub = PageServiceStub(channel)
        self.subscribers: SubscriberServiceAsyncStub = SubscriberServiceStub(channel)
        self.webhooks: WebhooksServiceAsyncStub = WebhooksServiceStub(channel)
