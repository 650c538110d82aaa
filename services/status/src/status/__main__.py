"""`python -m status serve | worker | jobs | migrate | sql`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from chassis.command_line import main
from chassis.house import House
from chassis.service import Service, Servicer
from chassis.webhooks.servicer import WebhooksServicer
from neoforge.common.v1 import webhooks_pb2, webhooks_pb2_grpc
from neoforge.status.v1 import (
    components_pb2,
    components_pb2_grpc,
    events_pb2,
    events_pb2_grpc,
    incidents_pb2,
    incidents_pb2_grpc,
    maintenances_pb2,
    maintenances_pb2_grpc,
    page_pb2,
    page_pb2_grpc,
    subscribers_pb2,
    subscribers_pb2_grpc,
)
from status.clock import utc_now
from status.jobs import WEBHOOKS, jobs
from status.mails import MAILS, links_of
from status.records import Records
from status.servicer.components import ComponentServicer
from status.servicer.events import EventServicer
from status.servicer.incidents import IncidentServicer
from status.servicer.maintenances import MaintenanceServicer
from status.servicer.page import PageServicer
from status.servicer.subscribers import SubscriberServicer
from status.settings import Settings
from status.tables import idempotency_keys, job_tables, metadata


def build(house: House[Settings], now: Callable[[], datetime] = utc_now) -> list[Servicer]:
    shared = house.database, house.idempotency, house.cursors
    records = Records(house.outbox)
    subscribers = SubscriberServicer(*shared, house.outbox, mails=MAILS, links=links_of(house.settings), now=now)
    return [
        Servicer(ComponentServicer(*shared, records, now), components_pb2_grpc.add_ComponentServiceServicer_to_server),
        Servicer(EventServicer(*shared, records, now), events_pb2_grpc.add_EventServiceServicer_to_server),
        Servicer(IncidentServicer(*shared, records, now), incidents_pb2_grpc.add_IncidentServiceServicer_to_server),
        Servicer(
            MaintenanceServicer(*shared, records, now), maintenances_pb2_grpc.add_MaintenanceServiceServicer_to_server
        ),
        Servicer(PageServicer(house.database, house.watches, now), page_pb2_grpc.add_PageServiceServicer_to_server),
        Servicer(subscribers, subscribers_pb2_grpc.add_SubscriberServiceServicer_to_server),
        Servicer(
            WebhooksServicer(house.database, house.idempotency, WEBHOOKS.of(house)),
            webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server,
        ),
    ]


SERVICE = Service(
    name="status",
    settings=Settings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[
        components_pb2.DESCRIPTOR.services_by_name["ComponentService"],
        events_pb2.DESCRIPTOR.services_by_name["EventService"],
        incidents_pb2.DESCRIPTOR.services_by_name["IncidentService"],
        maintenances_pb2.DESCRIPTOR.services_by_name["MaintenanceService"],
        page_pb2.DESCRIPTOR.services_by_name["PageService"],
        subscribers_pb2.DESCRIPTOR.services_by_name["SubscriberService"],
        webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
    ],
    build=build,
    jobs=jobs,
)

if __name__ == "__main__":
    main(SERVICE)
