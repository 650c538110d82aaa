"""The services behind the gateway that an installation may do without: one line each.

A service is there when NEOFORGE_<NAME>_TARGET says where; then the API has its routes, and readiness follows it too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from grpc.aio import Channel

from gateway.operations import Operations
from gateway.routes.auth_access_tokens import access_tokens, audit
from gateway.routes.auth_accounts import accounts
from gateway.routes.auth_passkeys import passkeys
from gateway.routes.auth_second_factor import second_factor
from gateway.routes.auth_sessions import keys, sessions
from gateway.routes.auth_stubs import AuthStubs
from gateway.routes.community_moderation import categories, moderation
from gateway.routes.community_posts import posts
from gateway.routes.community_replies import replies
from gateway.routes.community_stubs import CommunityStubs
from gateway.routes.status_components import components, events, groups
from gateway.routes.status_incidents import incidents, maintenances
from gateway.routes.status_page import page
from gateway.routes.status_stubs import StatusStubs
from gateway.routes.status_subscriptions import subscriptions
from gateway.routes.status_webhooks import webhooks as status_webhooks
from gateway.routes.statuspage import statuspage
from gateway.routes.support_attachments import attachments
from gateway.routes.support_canned_replies import canned_replies
from gateway.routes.support_streams import ticket_streams
from gateway.routes.support_stubs import SupportStubs
from gateway.routes.support_tickets import tickets


@dataclass(frozen=True, eq=False)
class Service:
    """A service: its name, the class of its stubs, by which routes ask for them (`call.parts.service`), its routes."""

    name: str
    stubs: Callable[[Channel], Any]
    routes: tuple[Operations, ...]

    @property
    def part(self) -> str:
        """Its name in /ready, where `status` is the name of the whole."""
        return "status-page" if self.name == "status" else self.name


SERVICES: Final[tuple[Service, ...]] = (
    Service("auth", AuthStubs, (accounts, sessions, keys, second_factor, passkeys, access_tokens, audit)),
    Service("community", CommunityStubs, (posts, replies, categories, moderation)),
    Service(
        "status",
        StatusStubs,
        (page, components, groups, events, incidents, maintenances, subscriptions, status_webhooks, statuspage),
    ),
    Service("support", SupportStubs, (tickets, ticket_streams, attachments, canned_replies)),
)  # fmt: skip
