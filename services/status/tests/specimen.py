"""What the conformance suite makes, reads, changes and lists of this service."""

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.testing.plugin import PASSWORD
from chassis.testing.specimen import Specimen
from neoforge.status.v1 import incidents_pb2 as pb
from status.__main__ import SERVICE
from status.tables import incidents

SPECIMEN = Specimen(
    service=SERVICE,
    table=incidents,
    create=lambda n: ("CreateIncident", pb.CreateIncidentRequest(title=f"Incident {n}", body="We look into it.")),
    read=lambda id_: ("GetIncident", pb.GetIncidentRequest(id=id_)),
    change=lambda id_, n: (
        "UpdateIncident",
        pb.UpdateIncidentRequest(
            incident=pb.Incident(id=id_, title=f"Changed {n}"), update_mask=FieldMask(paths=["title"])
        ),
    ),
    remove=None,
    listing=lambda size, cursor: ("ListIncidents", pb.ListIncidentsRequest(page_size=size, cursor=cursor)),
    filtered=lambda size, cursor: (
        "ListIncidents",
        pb.ListIncidentsRequest(page_size=size, cursor=cursor, impact=pb.IMPACT_MINOR),
    ),
    resource=lambda reply: reply.incident,
    items=lambda reply: reply.incidents,
    settings={
        "webhook_secret_key": PASSWORD,
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
        "subscription_secret": PASSWORD,
        "subscription_url": "https://forge.example.test/api/v1/status/subscriptions/{token}",
        "status_page_url": "https://status.example.test/",
    },
)
