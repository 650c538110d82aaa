"""Invitations: how a person becomes a member of a project by a link in a mail."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Path
from pydantic_core import to_json
from starlette.convertors import Convertor, register_url_convertor

from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.paging import PaginatedResponse, page_json
from gateway.representation import Answer, tag_of
from gateway.routes.invitations_models import AcceptedInvitation, Invitation, NewInvitation, ShownInvitation
from gateway.routes.projects import ProjectId
from neoforge.common.v1.page_pb2 import Page
from neoforge.projects.v1 import invitations_pb2 as pb
from neoforge.projects.v1 import projects_pb2


class _TokenConvertor(Convertor[str]):
    """A token in a path, in base64url (RFC 4648, section 5); anything else is an address that does not exist."""

    regex = "[A-Za-z0-9_-]{1,200}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("token", _TokenConvertor())

invitations: Final = Operations("invitations")

_OF_PROJECT: Final = "/api/v1/projects/{project_id:id}/invitations"
_ITEM: Final = _OF_PROJECT + "/{invitation_id:id}"
_LINK: Final = "/api/v1/invitations/{token:token}"

InvitationId = Annotated[str, Path(description="The invitation's id.", json_schema_extra={"format": "uuid"})]
Token = Annotated[str, Path(description="The token of the link.", json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})]

_ROLE: Final = {"viewer": projects_pb2.ROLE_VIEWER, "maintainer": projects_pb2.ROLE_MAINTAINER}
_ROLE_NAMES: Final = {number: name for name, number in _ROLE.items()}


@invitations.serve(
    _OF_PROJECT,
    Declaration(
        Kind.CREATE,
        "POST",
        Invitation,
        success=HTTPStatus.CREATED,
        key=Key.REQUIRED,
        tagged=Tagged.CONTENT,
        conflicts=("LIMIT_REACHED",),
    ),
)
async def invite_member(call: Call, project_id: ProjectId, body: NewInvitation) -> Answer:
    """Invite an address by mail; again, which sends a new link and ends the one before. For the project's owner."""
    reply = await call.ask(
        call.parts.invitations.InviteMember,
        pb.InviteMemberRequest(
            project_id=project_id, email=body.email, name=body.name, role=_ROLE[body.role], language=body.language
        ),
    )
    invitation = reply.message.invitation
    return Answer(
        to_json(_invitation_json(invitation)),
        status=HTTPStatus.CREATED,
        location=f"/api/v1/projects/{project_id}/invitations/{invitation.id}",
        replayed=reply.replayed,
    )


@invitations.serve(_OF_PROJECT, Declaration(Kind.READ, "GET", PaginatedResponse[Invitation], tagged=Tagged.CONTENT))
async def list_invitations(call: Call, project_id: ProjectId) -> Answer:
    """List a project's pending invitations, the last sent first; for its owner."""
    reply = await call.ask(call.parts.invitations.ListInvitations, pb.ListInvitationsRequest(project_id=project_id))
    pending = [_invitation_json(invitation) for invitation in reply.message.invitations]
    all_of_them = Page(total=len(pending), total_exact=True, page=1, page_size=max(1, len(pending)))
    body = to_json(page_json(pending, all_of_them))
    return Answer(body, tag=tag_of(body))


@invitations.serve(
    _ITEM,
    Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL, tagged=Tagged.CONTENT),
)
async def revoke_invitation(call: Call, project_id: ProjectId, invitation_id: InvitationId) -> Answer:
    """End an invitation: its link is good no more. For the project's owner."""
    reply = await call.ask(
        call.parts.invitations.RevokeInvitation,
        pb.RevokeInvitationRequest(project_id=project_id, invitation_id=invitation_id),
    )
    return Answer(status=NO_CONTENT, replayed=reply.replayed)


@invitations.serve(_LINK, Declaration(Kind.READ, "GET", ShownInvitation, tagged=Tagged.CONTENT))
async def get_invitation(call: Call, token: Token) -> Answer:
    """Show what a link invites to. Looking never uses the link up."""
    reply = await call.ask(call.parts.invitations.GetInvitation, pb.GetInvitationRequest(token=token))
    shown = reply.message
    body = to_json(
        {
            "project_name": shown.project_name,
            "email": shown.email,
            "name": shown.name,
            "role": _ROLE_NAMES[shown.role],
            "expires_at": rfc3339(shown.expires_at),
            "accept": f"/api/v1/invitations/{token}/accept",
        }
    )
    return Answer(body, tag=tag_of(body))


@invitations.serve(
    _LINK + "/accept",
    Declaration(
        Kind.CHANGE,
        "POST",
        AcceptedInvitation,
        key=Key.OPTIONAL,
        tagged=Tagged.CONTENT,
        conflicts=("ALREADY_MEMBER", "LIMIT_REACHED"),
    ),
)
async def accept_invitation(call: Call, token: Token) -> Answer:
    """Become a member by a link, which this uses up; whoever holds the link may, of two who try one succeeds."""
    reply = await call.ask(call.parts.invitations.AcceptInvitation, pb.AcceptInvitationRequest(token=token))
    member = reply.message.member
    accepted = {
        "project_id": reply.message.project_id,
        "user_id": member.user_id,
        "role": _ROLE_NAMES[member.role],
        "created_at": rfc3339(member.created_at),
    }
    return Answer(to_json(accepted), replayed=reply.replayed)


def _invitation_json(invitation: pb.Invitation) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "project_id": invitation.project_id,
        "email": invitation.email,
        "name": invitation.name,
        "role": _ROLE_NAMES[invitation.role],
        "language": invitation.language,
        "invited_by": invitation.invited_by,
        "created_at": rfc3339(invitation.created_at),
        "sent_at": rfc3339(invitation.sent_at),
        "expires_at": rfc3339(invitation.expires_at),
    }
