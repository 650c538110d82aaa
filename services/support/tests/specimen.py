"""What the conformance suite makes, reads, changes and lists of this service."""

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.testing.specimen import Specimen
from neoforge.support.v1 import tickets_pb2 as pb
from support.__main__ import SERVICE
from support.tables import tickets

SPECIMEN = Specimen(
    service=SERVICE,
    table=tickets,
    create=lambda n: (
        "CreateTicket",
        pb.CreateTicketRequest(subject=f"Ticket {n}", body="Help", priority=pb.PRIORITY_HIGH),
    ),
    read=lambda id_: ("GetTicket", pb.GetTicketRequest(id=id_)),
    change=lambda id_, n: (
        "UpdateTicket",
        pb.UpdateTicketRequest(
            ticket=pb.Ticket(id=id_, subject=f"Subject {n}"), update_mask=FieldMask(paths=["subject"])
        ),
    ),
    remove=None,
    listing=lambda size, cursor: ("ListTickets", pb.ListTicketsRequest(page_size=size, cursor=cursor)),
    filtered=lambda size, cursor: (
        "ListTickets",
        pb.ListTicketsRequest(page_size=size, cursor=cursor, priority=pb.PRIORITY_HIGH),
    ),
    resource=lambda reply: reply.ticket,
    items=lambda reply: reply.tickets,
    settings={"smtp_url": "smtp://127.0.0.1", "mail_from": "NeoForge <no-reply@example.test>"},
)
