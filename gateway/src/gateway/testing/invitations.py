"""A stand-in for the invitations of the projects service."""

from typing import ClassVar

from gateway.testing.told import Told
from neoforge.projects.v1 import invitations_pb2, invitations_pb2_grpc


class StandInInvitations(Told, invitations_pb2_grpc.InvitationsServiceServicer):
    """Answers what a test tells it to."""

    messages: ClassVar = invitations_pb2
    InviteMember = ListInvitations = RevokeInvitation = GetInvitation = AcceptInvitation = Told.answer
