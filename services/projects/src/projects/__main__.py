"""`python -m projects serve | worker | jobs | migrate | sql`."""

from pathlib import Path

from chassis.command_line import main
from chassis.house import House
from chassis.service import Service, Servicer
from chassis.webhooks.servicer import WebhooksServicer
from neoforge.common.v1 import webhooks_pb2, webhooks_pb2_grpc
from neoforge.projects.v1 import (
    invitations_pb2,
    invitations_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
)
from projects.invitations.servicer import InvitationsServicer
from projects.jobs import WEBHOOKS, jobs
from projects.mails import MAILS, links_of
from projects.servicer import ProjectsServicer
from projects.settings import Settings
from projects.tables import idempotency_keys, job_tables, metadata


def build(house: House[Settings]) -> list[Servicer]:
    webhooks = WEBHOOKS.of(house)
    return [
        Servicer(
            ProjectsServicer(house.database, house.idempotency, house.cursors, webhooks),
            projects_pb2_grpc.add_ProjectsServiceServicer_to_server,
        ),
        Servicer(
            WebhooksServicer(house.database, house.idempotency, webhooks),
            webhooks_pb2_grpc.add_WebhooksServiceServicer_to_server,
        ),
        Servicer(
            InvitationsServicer(
                house.database,
                house.idempotency,
                house.outbox,
                webhooks,
                mails=MAILS,
                links=links_of(house.settings),
            ),
            invitations_pb2_grpc.add_InvitationsServiceServicer_to_server,
        ),
    ]


SERVICE = Service(
    name="projects",
    settings=Settings,
    tables=metadata,
    idempotency_keys=idempotency_keys,
    job_tables=job_tables,
    migrations=Path(__file__).parent / "migrations",
    descriptors=[
        projects_pb2.DESCRIPTOR.services_by_name["ProjectsService"],
        webhooks_pb2.DESCRIPTOR.services_by_name["WebhooksService"],
        invitations_pb2.DESCRIPTOR.services_by_name["InvitationsService"],
    ],
    build=build,
    jobs=jobs,
)

if __name__ == "__main__":
    main(SERVICE)
