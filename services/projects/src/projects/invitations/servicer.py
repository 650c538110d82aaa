"""neoforge.projects.v1.InvitationsService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import ANYONE, SIGNED_IN, allow
from chassis.convert import parse_uuid
from chassis.database import Connection, Database
from chassis.errors import LimitReached
from chassis.idempotency import Idempotency
from chassis.jobs.outbox import Outbox
from chassis.mail.addresses import Mailbox
from chassis.mail.mails import Mails
from chassis.webhooks.management import Webhooks
from neoforge.projects.v1 import invitations_pb2 as pb
from neoforge.projects.v1 import invitations_pb2_grpc
from projects import convert as projects_convert
from projects import store as projects_store
from projects.errors import AlreadyMember, InvitationNotFound, ProjectNotFound, RoleTooLow
from projects.invitations import convert, store
from projects.invitations.links import Links
from projects.invitations.model import MAX_PENDING, MAX_SENT, Invitation
from projects.model import MAX_MEMBERS, Member, Project, Role
from projects.webhooks import events


class InvitationsServicer(invitations_pb2_grpc.InvitationsServiceServicer):
    """Answers the calls of InvitationsService from PostgreSQL."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        outbox: Outbox,
        webhooks: Webhooks,
        *,
        mails: Mails,
        links: Links,
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._outbox = outbox
        self._webhooks = webhooks
        self._mails = mails
        self._links = links

    @allow(SIGNED_IN)
    async def InviteMember(self, request: pb.InviteMemberRequest, context: Any) -> pb.InviteMemberResponse:
        wanted = Invitation.new(
            id=uuid7(),
            project_id=parse_uuid(request.project_id, "project_id"),
            email=request.email,
            name=request.name,
            role=convert.invited_role(request),
            language=request.language,
            invited_by=calls.current().person,
            now=datetime.now(UTC),
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.InviteMemberResponse)
            if earlier:
                return earlier
            project = await _owned(tx, wanted.project_id, wanted.invited_by)
            if await store.count_others(tx, wanted) >= MAX_PENDING:
                raise LimitReached(f"a project has at most {MAX_PENDING} pending invitations")
            if await store.count_sent(tx, wanted.invited_by, wanted.sent_at) >= MAX_SENT:
                raise LimitReached(f"a person sends at most {MAX_SENT} invitations a day")
            invitation = await store.invite(tx, wanted)
            await self._mails.put(
                tx,
                self._outbox,
                to=Mailbox.of(invitation.name, request.email),
                template="invitation",
                language=invitation.language,
                context={"invitation_id": str(invitation.id), "generation": invitation.generation},
            )
            await self._webhooks.announce(tx, project.owner_id, events.member_invited(project, invitation))
            reply = pb.InviteMemberResponse(invitation=convert.invitation_proto(invitation))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def ListInvitations(self, request: pb.ListInvitationsRequest, context: Any) -> pb.ListInvitationsResponse:
        id_, person = parse_uuid(request.project_id, "project_id"), calls.current().person
        async with self._database.connection() as connection:
            _check_owner(await projects_store.get(connection, id_, person))
            pending = await store.list_pending(connection, id_, datetime.now(UTC))
        return pb.ListInvitationsResponse(invitations=map(convert.invitation_proto, pending))

    @allow(SIGNED_IN)
    async def RevokeInvitation(self, request: pb.RevokeInvitationRequest, context: Any) -> pb.RevokeInvitationResponse:
        project_id, person = parse_uuid(request.project_id, "project_id"), calls.current().person
        id_ = parse_uuid(request.invitation_id, "invitation_id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.RevokeInvitationResponse)
            if earlier:
                return earlier
            await _owned(tx, project_id, person)
            if not await store.revoke(tx, project_id, id_, datetime.now(UTC)):
                raise InvitationNotFound
            return await self._idempotency.record(tx, pb.RevokeInvitationResponse())

    @allow(ANYONE)
    async def GetInvitation(self, request: pb.GetInvitationRequest, context: Any) -> pb.GetInvitationResponse:
        id_, generation = self._read(request.token)
        async with self._database.connection() as connection:
            found = await store.get_with_project(connection, id_)
        if found is None or not found[0].pending(generation, datetime.now(UTC)):
            raise InvitationNotFound
        return convert.shown_proto(*found)

    @allow(SIGNED_IN)
    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: Any) -> pb.AcceptInvitationResponse:
        id_, generation = self._read(request.token)
        person, now = calls.current().person, datetime.now(UTC)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.AcceptInvitationResponse)
            if earlier:
                return earlier
            project = await _locked_project(tx, id_)
            invitation = await store.get_for_change(tx, id_)
            if invitation is None:
                raise InvitationNotFound
            member = await projects_store.get_member(tx, project.id, person)
            if invitation.accepted_by != person or invitation.generation != generation or member is None:
                if not invitation.pending(generation, now):
                    raise InvitationNotFound
                member = await self._admit(tx, project, invitation, person, member)
                await store.accept(tx, id_, person, now)
            reply = pb.AcceptInvitationResponse(
                project_id=str(project.id), member=projects_convert.member_proto(member)
            )
            return await self._idempotency.record(tx, reply)

    async def _admit(
        self, tx: Connection, project: Project, invitation: Invitation, person: UUID, earlier: Member | None
    ) -> Member:
        """Make a person a member with the invitation's role, unless they have that or more."""
        has = Role.OWNER if person == project.owner_id else earlier.role if earlier else None
        if has is not None and has.includes(invitation.role):
            raise AlreadyMember(has)
        if has is None and await projects_store.count_members(tx, project.id) >= MAX_MEMBERS:
            raise LimitReached(f"a project has at most {MAX_MEMBERS} members")
        member = await projects_store.set_member(tx, project.id, person, invitation.role, datetime.now(UTC))
        if has is None:
            await self._webhooks.announce(tx, project.owner_id, events.member_added(project, member))
        return member

    def _read(self, token: str) -> tuple[UUID, int]:
        read = self._links.read(token)
        if read is None:
            raise InvitationNotFound
        return read


async def _locked_project(tx: Connection, invitation_id: UUID) -> Project:
    """Lock the project of an invitation: before the invitation, as whoever invites does, or two would wait for ever."""
    invitation = await store.get(tx, invitation_id)
    project = await projects_store.get_any_for_change(tx, invitation.project_id) if invitation else None
    if project is None:
        raise InvitationNotFound
    return project


async def _owned(tx: Connection, id_: UUID, person: UUID) -> Project:
    return _check_owner(await projects_store.get_for_change(tx, id_, person))


def _check_owner(found: tuple[Project, Role | None] | None) -> Project:
    if found is None:
        raise ProjectNotFound
    if found[1] is not Role.OWNER:
        raise RoleTooLow("owner")
    return found[0]
