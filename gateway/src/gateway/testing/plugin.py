"""Loaded by pytest before it collects, so that `gateway` means this package and not the folder it lies in.

With `--import-mode=importlib` pytest names the tests `gateway.tests...` after their folders, and would otherwise take
the folder for the package.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from chassis.embedded.certificates import Authority
    from chassis.embedded.redis import Redis
    from chassis.identity import Caller


@pytest_asyncio.fixture
async def rest(
    running: Any,  # the service's server and the service: what they are made of, the gateway must not know
    service: Any,
    authority: "Authority",
    redis_server: "Redis",
) -> "AsyncIterator[Callable[[Caller], httpx.AsyncClient]]":
    """Gives HTTP clients of the gateway in front of the service under test, each a person or nobody."""
    # What is imported before a test runs is paid for by every run of pytest.
    import httpx  # noqa: PLC0415

    from gateway.testing.edge import Edge  # noqa: PLC0415
    from gateway.testing.issuer import StandInIssuer  # noqa: PLC0415

    issuer, identity = StandInIssuer(), authority.issue("gateway")
    edge = Edge(
        redis_server.url,
        issuer,
        tls_ca=identity.authority,
        tls_certificate=identity.certificate,
        tls_key=identity.key,
        stream_longest_s=0.5,  # who reads streams to their ends comes to them
        **{f"{service.name}_target": f"127.0.0.1:{running.port}"},
    )
    await asyncio.to_thread(edge.start)
    async with AsyncExitStack() as clients:

        def as_person(caller: "Caller") -> httpx.AsyncClient:
            headers = {}
            if caller.signed_in:
                token = issuer.token(str(caller.subject), roles=sorted(caller.roles))
                headers = {"Authorization": f"Bearer {token}"}
            client = httpx.AsyncClient(base_url=edge.url, timeout=10, headers=headers)
            clients.push_async_callback(client.aclose)
            return client

        yield as_person
    await asyncio.to_thread(edge.stop)
    issuer.stop()
