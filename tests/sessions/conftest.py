"""People and their sessions: in this process for what one gateway shows, as processes for what takes two of each."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import redis

from auth.__main__ import SERVICE
from auth.settings import Settings
from auth.testing import FIREFOX, People
from auth.testing import PASSWORD as PERSONS_PASSWORD
from chassis.database import Database
from chassis.embedded.certificates import Authority
from chassis.embedded.postgresql import PostgreSQL
from chassis.embedded.redis import Redis
from chassis.house import House
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.plugin import PASSWORD, fresh_database, settings_of, tls_of
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer

from .installation import ORIGIN, Installation, installed, wait_for

OWN_SETTINGS = {
    "auth_secret": PASSWORD,
    "token_issuer": ORIGIN,
    "token_audience": "neoforge",
    "smtp_url": "smtp://127.0.0.1:9",
    "smtp_starttls": False,
    "mail_from": "NeoForge <no-reply@example.test>",
}

PATIENT = {"refresh_grace_seconds": 60}
"""A hundred answers may take a busy machine longer than ten seconds, which tests with a clock of their own prove."""


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return OWN_SETTINGS


@pytest.fixture(scope="session")
def shared_installation(
    postgresql: PostgreSQL,
    template: Callable[[Service[Any]], str],
    service: Service[Settings],
    authority: Authority,
    redis_server: Redis,
) -> Iterator[Installation]:
    with fresh_database(postgresql, template, service) as database:
        settings = settings_of(service, database, authority, {**OWN_SETTINGS, **PATIENT})
        with installed(settings, database, authority.issue("gateway"), redis_server.url) as installation:
            yield installation


@pytest.fixture(scope="session")
def shared_gateways(shared_installation: Installation) -> list[str]:
    """The addresses of two gateways."""
    return [shared_installation.start_gateway() for _ in range(2)]


@pytest.fixture
def installation(shared_installation: Installation) -> Installation:
    """One for all tests, in each of which other people sign in; who breaks a part takes one for itself."""
    return shared_installation


@pytest_asyncio.fixture
async def gateways(shared_gateways: list[str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each of two gateways."""
    async with AsyncExitStack() as stack:
        yield [await client_of(stack, url) for url in shared_gateways]


async def client_of(stack: AsyncExitStack, url: str) -> httpx.AsyncClient:
    """Give a client of a gateway, once that checks tokens."""
    await wait_for(url)
    limits = httpx.Limits(max_connections=100)
    client = httpx.AsyncClient(base_url=url, timeout=60, limits=limits, headers={"User-Agent": FIREFOX})
    return await stack.enter_async_context(client)


@pytest_asyncio.fixture
async def people(installation: Installation, authority: Authority) -> AsyncIterator[People]:
    """Registers people at the installation's first replica."""
    database = Database.of(installation.settings, SERVICE.name)
    await database.open()
    house = SERVICE.house(installation.settings, database)
    identity = tls_of(authority.issue("gateway"))
    async with Client(f"127.0.0.1:{installation.services[0].port}", identity, SERVICE.descriptors) as client:
        yield People(client, house)
    await house.outbox.close()
    await database.close()


@pytest.fixture
def email() -> str:
    """An address that no other test uses."""
    return f"ines-{uuid4().hex}@example.test"


@pytest.fixture
def start_edge(
    running: RunningService[Settings], redis_server: Redis, authority: Authority
) -> Iterator[Callable[[], Edge]]:
    """Starts gateways before the service, all in this process."""
    identity, issuer, edges = authority.issue("gateway"), StandInIssuer(), list[Edge]()
    with redis.Redis.from_url(redis_server.url) as limits:
        limits.flushdb()

    def start() -> Edge:
        edge = Edge(
            redis_server.url,
            issuer,
            auth_target=f"localhost:{running.port}",
            jwks_url=None,
            token_issuer=ORIGIN,
            tls_ca=str(identity.authority),
            tls_certificate=str(identity.certificate),
            tls_key=str(identity.key),
            call_timeout_s=30,
            redis_patience_s=1,
        )
        edge.start()
        edges.append(edge)
        return edge

    yield start
    for edge in edges:
        edge.stop()
    issuer.stop()


@pytest_asyncio.fixture
async def edge(start_edge: Callable[[], Edge]) -> Edge:
    """A gateway before the service, both in this process."""
    edge = await asyncio.to_thread(start_edge)
    await wait_for(edge.url)
    return edge


@pytest_asyncio.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, timeout=60, headers={"User-Agent": FIREFOX}) as client:
        yield client


@pytest.fixture
def persons(call: Client, house: House[Settings]) -> People:
    return People(call, house)


async def signed_in(
    gateway: httpx.AsyncClient, email: str, password: str = PERSONS_PASSWORD, **headers: str
) -> dict[str, Any]:
    wish = {"username": email, "password": password}
    answer = await gateway.post("/api/v1/auth/token", json=wish, headers=headers)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(tokens: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
