"""What the conformance suite makes, reads, changes and lists of this service."""

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.testing.plugin import PASSWORD
from chassis.testing.specimen import Specimen
from neoforge.projects.v1 import projects_pb2 as pb
from projects.__main__ import SERVICE
from projects.tables import projects

SPECIMEN = Specimen(
    service=SERVICE,
    table=projects,
    create=lambda n: ("CreateProject", pb.CreateProjectRequest(name=f"Project {n}", labels=["made", f"n{n}"])),
    read=lambda id_: ("GetProject", pb.GetProjectRequest(id=id_)),
    change=lambda id_, n: (
        "UpdateProject",
        pb.UpdateProjectRequest(
            project=pb.Project(id=id_, description=f"Description {n}"), update_mask=FieldMask(paths=["description"])
        ),
    ),
    remove=lambda id_: ("DeleteProject", pb.DeleteProjectRequest(id=id_)),
    listing=lambda size, cursor: ("ListProjects", pb.ListProjectsRequest(page_size=size, cursor=cursor)),
    filtered=lambda size, cursor: (
        "ListProjects",
        pb.ListProjectsRequest(page_size=size, cursor=cursor, labels=["made"]),
    ),
    resource=lambda reply: reply.project,
    items=lambda reply: reply.projects,
    settings={
        "webhook_secret_key": PASSWORD,
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
        "invitation_secret": PASSWORD,
        "invitation_url": "https://forge.example.test/invitations#{token}",
    },
)
