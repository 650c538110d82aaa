"""`python -m support serve | worker | jobs | migrate | sql`."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from chassis.command_line import main
from chassis.house import House
from chassis.service import Service, Servicer
from neoforge.support.v1 import (
    attachments_pb2,
    attachments_pb2_grpc,
    canned_replies_pb2,
    canned_replies_pb2_grpc,
    tickets_pb2,
    tickets_pb2_grpc,
    watching_pb2,
    watching_pb2_grpc,
)
from support.clock import utc_now
from support.jobs import jobs
from support.model.message import MAX_ATTACHMENT_BYTES
from support.records import Records
from support.servicer.attachments import AttachmentServicer
from support.servicer.canned_replies import CannedReplyServicer
from support.servicer.tickets import TicketServicer
from support.servicer.watching import TicketWatchServicer, watched_tickets
from support.settings import Settings
from support.storage import storage_of
from support.storage.incoming import Incoming
from support.tables import idempotency_keys, job_tables, metadata


def build(house: House[Settings], now: Callable[[], datetime] = utc_now) -> list[Servicer]:
    database, idempotency, cursors = house.database, house.idempotency, house.cursors
    watched = watched_tickets(house.watches, database)
    records = Records(house.outbox, watched.touch)
    return [
        Servicer(
            TicketServicer(database, idempotency, cursors, records, house.settings.promise, now),
            tickets_pb2_grpc.add_TicketServiceServicer_to_server,
        ),
        Servicer(
            AttachmentServicer(
                database,
                idempotency,
                records,
                storage_of(house.settings),
                Incoming(house.settings.folder, MAX_ATTACHMENT_BYTES),
                now,
            ),
            attachments_pb2_grpc.add_AttachmentServiceServicer_to_server,
        ),
        Servicer(
            CannedReplyServicer(database, idempotency, cursors, now),
            canned_replies_pb2_grpc.add_CannedReplyServiceServicer_to_server,
        ),
        Servicer(
            TicketWatchServicer(database, watched, now),
            watching_pb2_grpc.add_TicketWatchServiceServicer_to_server,
        ),
    ]


SERVICE = Service(
    name="support",
    settings=Settings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[
        tickets_pb2.DESCRIPTOR.services_by_name["TicketService"],
        attachments_pb2.DESCRIPTOR.services_by_name["AttachmentService"],
        canned_replies_pb2.DESCRIPTOR.services_by_name["CannedReplyService"],
        watching_pb2.DESCRIPTOR.services_by_name["TicketWatchService"],
    ],
    build=build,
    jobs=jobs,
)

if __name__ == "__main__":
    main(SERVICE)
