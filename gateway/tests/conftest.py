"""The gateway on a real port before a real Redis, once for all tests; each begins with empty store and full quotas."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
import redis as redis_client
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from chassis import telemetry
from chassis.embedded.redis import Redis
from chassis.testing.waiting import wait_for
from gateway.testing.community import StandInCommunity, StandInPosts
from gateway.testing.edge import HERE, Edge
from gateway.testing.invitations import StandInInvitations
from gateway.testing.issuer import StandInIssuer
from gateway.testing.public import a_page, a_post, no_posts
from gateway.testing.servicer import StandInProjects
from gateway.testing.status import StandInPage
from gateway.testing.watching import StandInTickets
from gateway.testing.webhooks import StandInWebhooks

INES = UUID("018f0000-0000-7000-8000-000000000001")
TOMAS = UUID("018f0000-0000-7000-8000-000000000002")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis(redis_server: Redis) -> Iterator["redis_client.Redis"]:
    with redis_client.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def issuer() -> Iterator[StandInIssuer]:
    issuer = StandInIssuer()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="session")
def traced() -> None:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        telemetry.setup("gateway", "test")


@pytest.fixture(scope="session")
def shared_edge(redis_server: Redis, issuer: StandInIssuer, traced: None) -> Iterator[Edge]:
    edge = Edge(
        redis_server.url,
        issuer,
        trusted_proxies=("127.0.0.1/32",),
        cors_origins=("https://console.example.test",),
        quotas=("anonymous=10/60", "public=10/60", "reads=100/60", "writes=50/60"),
        call_timeout_s=3.0,
        redis_patience_s=1.0,  # exact counts must not depend on how busy the machine is
        penalty_s=3_600,  # longer than any test
        penalty_longest_s=14_400,
    )
    edge.start()
    yield edge
    edge.stop()


@pytest.fixture
def edge(shared_edge: Edge, redis: "redis_client.Redis") -> Edge:
    shared_edge.service.servicer.reset()
    shared_edge.service.webhooks.reset()
    shared_edge.service.invitations.reset()
    shared_edge.service.community.reset()
    redis.flushdb()
    shared_edge.forget()
    return shared_edge


@pytest.fixture(scope="session")
def shared_public_edge(redis_server: Redis, issuer: StandInIssuer, traced: None) -> Iterator[Edge]:
    edge = Edge(
        redis_server.url,
        issuer,
        trusted_proxies=("127.0.0.1/32",),
        cors_origins=("https://console.example.test",),
        quotas=("public=5000/60",),
        status_target=HERE,
        public_max_age_s=60,
        public_patience_s=20.0,
        call_timeout_s=30.0,
        redis_patience_s=1.0,
        penalty_s=3_600,
    )
    edge.start()
    yield edge
    edge.stop()


@pytest.fixture
def public_edge(shared_public_edge: Edge, redis: "redis_client.Redis") -> Edge:
    """A gateway with the status page too, that keeps public answers for a minute and whose quotas nobody uses up."""
    shared_public_edge.service.community.reset()
    shared_public_edge.service.status.reset()
    redis.flushdb()
    shared_public_edge.forget()
    return shared_public_edge


@pytest.fixture
def anyone(public_edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=public_edge.url, timeout=60) as client:
        yield client


@pytest.fixture
def author(public_edge: Edge, issuer: StandInIssuer) -> Iterator[httpx.Client]:
    """Who writes what anyone reads."""
    headers = {"Authorization": f"Bearer {issuer.token(INES)}"}
    with httpx.Client(base_url=public_edge.url, timeout=60, headers=headers) as client:
        yield client


@pytest.fixture
def posts(public_edge: Edge) -> StandInPosts:
    """What anyone reads of the community, and keeps for a while."""
    posts = public_edge.service.community.posts
    posts.replies |= {"GetPost": a_post(), "ListPosts": no_posts()}
    return posts


@pytest.fixture
def page(public_edge: Edge) -> StandInPage:
    """What anyone reads of the status page, and goes on reading when it is away."""
    page = public_edge.service.status.page
    page.replies["GetPage"] = a_page()
    return page


@pytest.fixture
def few(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many requests of each kind are admitted, and no more come back while a test runs."""
    for name, tier in edge.parts.tiers.items():
        monkeypatch.setitem(edge.parts.tiers, name, replace(tier, quota=10, window_s=100_000))  # type: ignore[misc] # a dict
    return 10


@pytest.fixture
def projects(edge: Edge) -> StandInProjects:
    return edge.service.servicer


@pytest.fixture
def webhooks(edge: Edge) -> StandInWebhooks:
    return edge.service.webhooks


@pytest.fixture
def invitations(edge: Edge) -> StandInInvitations:
    return edge.service.invitations


@pytest.fixture
def community(edge: Edge) -> StandInCommunity:
    return edge.service.community


@pytest.fixture
def client(edge: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, timeout=10) as client:
        yield client


@pytest.fixture
def sign_in(edge: Edge, issuer: StandInIssuer) -> Iterator[Callable[..., httpx.Client]]:
    clients: list[httpx.Client] = []

    def as_person(subject: UUID = INES, **claims: Any) -> httpx.Client:
        token = issuer.token(subject, **claims)
        clients.append(httpx.Client(base_url=edge.url, timeout=10, headers={"Authorization": f"Bearer {token}"}))
        return clients[-1]

    yield as_person
    for client in clients:
        client.close()


@pytest.fixture
def ines(sign_in: Callable[..., httpx.Client]) -> httpx.Client:
    return sign_in(INES)


@pytest.fixture
def tomas(sign_in: Callable[..., httpx.Client]) -> httpx.Client:
    return sign_in(TOMAS)


@pytest.fixture(scope="session")
def shared_live_edge(redis_server: Redis, issuer: StandInIssuer, traced: None) -> Iterator[Edge]:
    edge = Edge(
        redis_server.url,
        issuer,
        status_target=HERE,
        support_target=HERE,
        cors_origins=("https://console.example.test",),
        call_timeout_s=20.0,
        redis_patience_s=1.0,
    )
    edge.start()
    yield edge
    edge.stop()


@pytest.fixture
def live(shared_live_edge: Edge, redis: "redis_client.Redis") -> Edge:
    def reset() -> None:
        shared_live_edge.service.tickets.reset()
        shared_live_edge.service.status.reset()

    redis.flushdb()
    shared_live_edge.do(reset)
    wait_for(lambda: not shared_live_edge.parts.streams._by_caller)
    return shared_live_edge


@pytest.fixture
def tickets(live: Edge) -> StandInTickets:
    return live.service.tickets


@pytest.fixture
def reply(live: Edge, tickets: StandInTickets) -> Callable[[str], None]:
    return lambda body: live.do(lambda: tickets.reply(body))


@pytest.fixture
def person(live: Edge, issuer: StandInIssuer) -> Iterator[Callable[..., httpx.Client]]:
    clients: list[httpx.Client] = []

    def as_person(subject: UUID = INES, **claims: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {issuer.token(subject, **claims)}"}
        clients.append(httpx.Client(base_url=live.url, timeout=60, headers=headers))
        return clients[-1]

    yield as_person
    for client in clients:
        client.close()


@pytest.fixture
def mine(person: Callable[..., httpx.Client]) -> httpx.Client:
    return person()


@pytest.fixture
def nobody(live: Edge) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=60) as client:
        yield client


@pytest.fixture
def set_live(live: Edge, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes settings of the running gateway."""

    def tell(**changes: Any) -> None:
        settings = live.parts.settings.model_copy(update=changes)
        monkeypatch.setitem(live.parts.__dict__, "settings", settings)
        monkeypatch.setattr(live.parts.streams, "_settings", settings)

    return tell
