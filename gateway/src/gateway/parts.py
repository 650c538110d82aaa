"""What the gateway is made of, for the routes to reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from grpc.aio import Channel

from chassis.admission import Admission
from gateway.cache import SharedCache
from gateway.health import Readiness
from gateway.identity import Authenticator
from gateway.penalties import Penalties
from gateway.ratelimit import Limiter
from gateway.settings import GatewaySettings
from gateway.streams.places import Streams
from gateway.tiers import Tier

if TYPE_CHECKING:
    # These exist for type checkers alone.
    from neoforge.common.v1.webhooks_pb2_grpc import WebhooksServiceAsyncStub
    from neoforge.projects.v1.invitations_pb2_grpc import InvitationsServiceAsyncStub
    from neoforge.projects.v1.projects_pb2_grpc import ProjectsServiceAsyncStub

S = TypeVar("S")


@dataclass(frozen=True)
class Parts:
    """One of each."""

    settings: GatewaySettings
    tiers: Mapping[str, Tier]
    authenticator: Authenticator
    limiter: Limiter
    penalties: Penalties
    admission: Admission
    readiness: Readiness
    cache: SharedCache
    streams: Streams
    services: Mapping[object, Any]
    """The stubs of every service that is there, by their class (services.py)."""

    projects: "ProjectsServiceAsyncStub"
    webhooks: "WebhooksServiceAsyncStub"
    invitations: "InvitationsServiceAsyncStub"

    def service(self, stubs: Callable[[Channel], S]) -> S:
        """Give the stubs of a service that is there: its routes are called only then."""
        found: S = self.services[stubs]
        return found
