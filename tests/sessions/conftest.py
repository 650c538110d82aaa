"""The auth service and the gateway before it, each twice, as processes of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
import redis

from auth.__main__ import SERVICE
from auth.settings import Settings
from auth.testing import FIREFOX, People
from auth.testing import PASSWORD as PERSONS_PASSWORD
from chassis.embedded.certificates import Authority
from chassis.embedded.ports import free_port
from chassis.embedded.redis import Redis
from chassis.house import House
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.plugin import PASSWORD, tls_of
from chassis.testing.process import ServiceProcess, environment
from chassis.testing.waiting import until
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.tiers import TIERS

ORIGIN = "https://forge.example.test"


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return {
        "auth_secret": PASSWORD,
        "token_issuer": ORIGIN,
        "token_audience": "neoforge",
        "smtp_url": "smtp://127.0.0.1:9",
        "smtp_starttls": False,
        "mail_from": "NeoForge <no-reply@example.test>",
    }


@dataclass(frozen=True)
class Installation:
    """Addresses of the gateways, and what starts another one."""

    gateways: list[str]
    start_gateway: Callable[[], str]
    services: list[ServiceProcess]
    processes: list[ServiceProcess]

    def logs(self) -> str:
        """Everything that all processes have logged."""
        return "\n".join(f"{line}" for process in self.processes for line in (*process.logged, *process.plain))


@pytest.fixture
def installation(settings: Settings, authority: Authority, redis_server: Redis) -> Iterator[Installation]:
    with ExitStack() as stack:
        services = [ServiceProcess("auth", "serve", environment(settings)) for _ in range(2)]
        processes = list(services)
        for process in services:
            stack.enter_context(process)
        identity = authority.issue("gateway")

        def start_gateway() -> str:
            port, to = free_port(), services[len(processes) % 2]
            variables = {
                "NEOFORGE_ENVIRONMENT": "test",
                "NEOFORGE_LISTEN": f"127.0.0.1:{port}",
                "NEOFORGE_PUBLIC_URL": ORIGIN,
                "NEOFORGE_PROJECTS_TARGET": "127.0.0.1:9",
                "NEOFORGE_AUTH_TARGET": f"127.0.0.1:{to.port}",
                "NEOFORGE_REDIS_URL": redis_server.url,
                "NEOFORGE_TOKEN_ISSUER": ORIGIN,
                "NEOFORGE_TOKEN_AUDIENCE": "neoforge",
                "NEOFORGE_TLS_CA": str(identity.authority),
                "NEOFORGE_TLS_CERTIFICATE": str(identity.certificate),
                "NEOFORGE_TLS_KEY": str(identity.key),
                "NEOFORGE_QUOTAS": ",".join(f"{tier}=100000/60" for tier in TIERS),
                "NEOFORGE_CALL_TIMEOUT_S": "60",
                # What a busy machine adds is not taken for a Redis that is away, without which nothing is let through.
                "NEOFORGE_REDIS_PATIENCE_S": "1",
            }
            process = ServiceProcess("gateway", "serve", variables)
            stack.enter_context(process)
            processes.append(process)
            return f"http://127.0.0.1:{port}"

        for process in services:
            process.serving()
        yield Installation([start_gateway(), start_gateway()], start_gateway, services, processes)


async def wait_for(url: str) -> None:
    """Wait until a gateway checks tokens."""

    async def answers() -> bool:
        async with httpx.AsyncClient(base_url=url) as client:
            try:
                ready = (await client.get("/ready")).json()
            except httpx.HTTPError:
                return False
            return bool(ready.get("issuer") == "ok" and ready.get("revocations") == "ok")

    await until(answers, longest_s=60)


@pytest_asyncio.fixture
async def gateways(installation: Installation) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A client of each gateway."""
    clients = []
    for url in installation.gateways:
        await wait_for(url)
        limits = httpx.Limits(max_connections=100)
        clients.append(httpx.AsyncClient(base_url=url, timeout=60, limits=limits, headers={"User-Agent": FIREFOX}))
    yield clients
    for client in clients:
        await client.aclose()


@pytest_asyncio.fixture
async def edge(running: RunningService[Settings], redis_server: Redis, authority: Authority) -> AsyncIterator[Edge]:
    """The gateway before the service, both in this process."""
    identity, issuer = authority.issue("gateway"), StandInIssuer()
    with redis.Redis.from_url(redis_server.url) as limits:
        limits.flushdb()
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
    await asyncio.to_thread(edge.start)
    await wait_for(edge.url)
    yield edge
    await asyncio.to_thread(edge.stop)
    issuer.stop()


@pytest_asyncio.fixture
async def client(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=edge.url, timeout=60, headers={"User-Agent": FIREFOX}) as client:
        yield client


@pytest.fixture
def persons(call: Client, house: House[Settings]) -> People:
    return People(call, house)


@pytest_asyncio.fixture
async def people(installation: Installation, house: House[Settings], authority: Authority) -> AsyncIterator[People]:
    identity = tls_of(authority.issue("gateway"))
    async with Client(f"127.0.0.1:{installation.services[0].port}", identity, SERVICE.descriptors) as client:
        yield People(client, house)


async def signed_in(gateway: httpx.AsyncClient, email: str) -> dict[str, Any]:
    answer = await gateway.post("/api/v1/auth/token", json={"username": email, "password": PERSONS_PASSWORD})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(tokens: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
