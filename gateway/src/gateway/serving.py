"""The gateway from start to end: what it is made of, what runs beside the requests, and the HTTP server around it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import uvicorn
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from chassis import cancelling, memory
from chassis.admission import Admission
from chassis.rpc.channel import Channel
from chassis.settings import Environment
from gateway import health, penalties, queues, ratelimit
from gateway.app import build
from gateway.cache import SharedCache
from gateway.headers import protecting
from gateway.identity import Authenticator, KeySet, at_url, of_auth
from gateway.lastgood import LastGood
from gateway.observation import Observation
from gateway.overload import Refusals
from gateway.parts import Parts
from gateway.protocol import GatewayProtocol
from gateway.redisline import RedisLine
from gateway.revocations import Revocations
from gateway.services import SERVICES
from gateway.settings import GatewaySettings
from gateway.streams.places import Streams
from neoforge.auth.v1.verification_pb2_grpc import VerificationServiceStub
from neoforge.common.v1.webhooks_pb2_grpc import WebhooksServiceStub
from neoforge.projects.v1.invitations_pb2_grpc import InvitationsServiceStub
from neoforge.projects.v1.projects_pb2_grpc import ProjectsServiceStub

_REDIS_TIMEOUT_S = 0.25
_TICK_S = 0.1  # as uvicorn's own


@asynccontextmanager
async def running(
    settings: GatewaySettings, on_failure: Callable[[], None], clock: Callable[[], float] = time.time
) -> AsyncIterator[tuple[Parts, Observation]]:
    """Open what the gateway needs, give it and its application, and close everything afterwards.

    `on_failure` is called when a part of it fails without which it should not go on. By `clock`, in seconds since the
    epoch, the cache of public answers grows old.
    """
    async with AsyncExitStack() as stack:
        redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # who waits is decided without Redis, and the line tries again by itself
        )
        stack.push_async_callback(redis.aclose)
        client = await stack.enter_async_context(httpx.AsyncClient())
        projects_channel = Channel(settings.projects_target, settings.tls, heeds_farewells=True, peer="projects")
        stack.push_async_callback(projects_channel.close, None)

        reached = {
            service: Channel(target, settings.tls, heeds_farewells=True, peer=service.name)
            for service in SERVICES
            if (target := settings.target(service.name)) is not None
        }
        for to in reached.values():
            stack.push_async_callback(to.close, None)

        verification = revocations = None
        if (auth := next((to for service, to in reached.items() if service.name == "auth"), None)) is not None:
            verification = VerificationServiceStub(auth)
            revocations = Revocations(verification, settings.revocation_patience_s)
        sources = [at_url(settings.jwks_url, client)] if settings.jwks_url else []
        keys = KeySet(sources + ([of_auth(verification)] if verification else []))
        line = RedisLine(redis, "gcra", ratelimit.SCRIPT, settings.redis_patience_s)
        fines = RedisLine(redis, "penalties", penalties.SCRIPT, settings.redis_patience_s)
        cache = SharedCache(LastGood(redis), settings.public_cache_bytes, clock)
        stack.push_async_callback(cache.close)
        readiness = health.Readiness(
            {
                "projects": health.service("projects", projects_channel),
                **{service.part: health.service(service.part, to) for service, to in reached.items()},
                "redis": health.redis(redis),
                "issuer": health.known("issuer", lambda: keys.known),
                **({"revocations": health.known("revocations", lambda: revocations.fresh)} if revocations else {}),
            }
        )
        admission = Admission()
        authenticator = Authenticator(keys, settings.token_issuer, settings.token_audience, verification, revocations)
        penalised = penalties.Penalties(fines, settings.penalties, authenticator.knows)
        parts = Parts(
            settings=settings,
            tiers=settings.tiers,
            authenticator=authenticator,
            limiter=ratelimit.Limiter(line, settings.gateway_replicas),
            penalties=penalised,
            admission=admission,
            readiness=readiness,
            cache=cache,
            streams=Streams(authenticator, settings),
            services={service.stubs: service.stubs(to) for service, to in reached.items()},
            projects=ProjectsServiceStub(projects_channel),
            webhooks=WebhooksServiceStub(projects_channel),
            invitations=InvitationsServiceStub(projects_channel),
        )
        works = [
            admission.watch(),
            parts.streams.watch(),
            line.keep_going(),
            fines.keep_going(),
            keys.keep_fresh(),
            readiness.watch(),
            queues.watch(redis),
            penalties.watch(redis),
        ]
        works += [revocations.follow()] if revocations else []
        stack.push_async_callback(cancelling.end, *cancelling.begin(*works, on_failure=on_failure))
        stack.push_async_callback(penalised.close)
        yield parts, build(parts)


class _Server(uvicorn.Server):
    """Says that it goes before it takes no more connections, so that the proxy in front loses no request on the way.

    Streams end then, since they would not by themselves; their clients come back to another gateway.
    """

    def __init__(self, config: uvicorn.Config, parts: Parts, failed: asyncio.Event) -> None:
        super().__init__(config)
        self._parts = parts
        self._failed = failed

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._failed.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._parts.readiness.leave()
        end = time.monotonic() + self._parts.settings.farewell_s
        while not self.force_exit and time.monotonic() < end:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(_TICK_S)
        await self._parts.streams.end()
        await super().shutdown(sockets)


def http_server(app: Observation, parts: Parts, failed: asyncio.Event) -> uvicorn.Server:
    """Put the HTTP server around the application, which ends when a part of it has failed."""
    settings = parts.settings
    host, _, port = settings.listen.rpartition(":")
    production = settings.environment is Environment.PRODUCTION
    shared = {
        "public_url": settings.public_url,
        "observation": app,
        "protecting": protecting(settings.public_url, production=production),
        "refusals": Refusals(parts.admission, app, settings.public_url),
    }
    config = uvicorn.Config(
        app,
        host=host.strip("[]"),
        port=int(port),
        http=type("Protocol", (GatewayProtocol,), shared),
        ws="none",
        lifespan="off",
        access_log=False,  # see observation.py
        log_config=None,
        server_header=False,
        proxy_headers=False,  # see addresses.py
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.drain_s,
    )
    return _Server(config, parts, failed)


async def serve(settings: GatewaySettings) -> int:
    """Serve until SIGTERM or SIGINT, or a part of it fails; let running requests end, and give the exit status."""
    failed = asyncio.Event()
    async with running(settings, failed.set) as (parts, app):
        memory.settle()
        await http_server(app, parts, failed).serve()
    return cancelling.EX_SOFTWARE if failed.is_set() else 0
