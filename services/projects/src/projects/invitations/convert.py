"""Between invitations and the protos of neoforge.projects.v1."""

from chassis.convert import from_enum, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from neoforge.projects.v1 import invitations_pb2 as pb
from neoforge.projects.v1 import projects_pb2
from projects.invitations.model import Invitation
from projects.model import Role


def invitation_proto(invitation: Invitation) -> pb.Invitation:
    """Give an invitation as its message."""
    return pb.Invitation(
        id=str(invitation.id),
        project_id=str(invitation.project_id),
        email=invitation.email,
        name=invitation.name,
        role=to_enum(projects_pb2.Role, invitation.role),
        language=invitation.language,
        invited_by=str(invitation.invited_by),
        created_at=timestamp(invitation.created_at),
        sent_at=timestamp(invitation.sent_at),
        expires_at=timestamp(invitation.expires_at),
    )


def shown_proto(invitation: Invitation, project_name: str) -> pb.GetInvitationResponse:
    """Give what the holder of a link is shown."""
    return pb.GetInvitationResponse(
        project_name=project_name,
        email=invitation.email,
        name=invitation.name,
        role=to_enum(projects_pb2.Role, invitation.role),
        expires_at=timestamp(invitation.expires_at),
    )


def invited_role(request: pb.InviteMemberRequest) -> Role:
    """Give the role to be given.

    Raises:
        InvalidFields: it is neither viewer nor maintainer.
    """
    role = from_enum(projects_pb2.Role, Role, request.role, "role")
    if role not in {Role.VIEWER, Role.MAINTAINER}:
        raise InvalidFields.of([Violation("role", "must be viewer or maintainer")])
    return role
