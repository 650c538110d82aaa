"""The gateway before a real service: both in this process, on ports of their own, with TLS between them."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from chassis.embedded.certificates import Authority
from chassis.embedded.redis import Redis
from chassis.identity import Caller
from chassis.service import RunningService, Service
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from support.__main__ import SERVICE
from support.settings import Settings


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def own_settings(tmp_path: Path) -> Mapping[str, Any]:
    return {
        "attachments_folder": tmp_path / "attachments",
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
    }


@pytest.fixture(scope="session")
def issuer() -> Iterator[StandInIssuer]:
    issuer = StandInIssuer()
    yield issuer
    issuer.stop()


@pytest_asyncio.fixture
async def edge(
    running: RunningService[Any], redis_server: Redis, issuer: StandInIssuer, authority: Authority
) -> AsyncIterator[Edge]:
    identity = authority.issue("gateway")
    edge = Edge(
        redis_server.url,
        issuer,
        support_target=f"localhost:{running.port}",
        tls_ca=str(identity.authority),
        tls_certificate=str(identity.certificate),
        tls_key=str(identity.key),
        quotas=("reads=10000/60", "writes=10000/60"),
    )
    edge.start()
    yield edge
    edge.stop()


@pytest_asyncio.fixture
async def sign_in(edge: Edge, issuer: StandInIssuer) -> AsyncIterator[Callable[[Caller], httpx.AsyncClient]]:
    clients: list[httpx.AsyncClient] = []

    def as_person(caller: Caller) -> httpx.AsyncClient:
        assert caller.subject is not None
        token = issuer.token(caller.subject, roles=sorted(caller.roles))
        headers = {"Authorization": f"Bearer {token}"}
        clients.append(httpx.AsyncClient(base_url=edge.url, timeout=20, headers=headers))
        return clients[-1]

    yield as_person
    for client in clients:
        await client.aclose()
