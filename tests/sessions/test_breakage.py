"""An auth replica that is killed amid refreshes: one chain of tokens, and nobody's session is taken for stolen."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from auth.settings import Settings
from auth.testing import People
from chassis.embedded.certificates import Authority
from chassis.embedded.redis import Redis
from chassis.testing.plugin import Logins

from .conftest import PATIENT, client_of, signed_in
from .installation import Installation, installed
from .test_races import generation, refreshed


@pytest.fixture
def installation(
    settings: Settings, database: Logins, authority: Authority, redis_server: Redis
) -> Iterator[Installation]:
    """One of this test's own, since a part of it is killed."""
    settings = settings.model_copy(update=PATIENT)
    with installed(settings, database, authority.issue("gateway"), redis_server.url) as installation:
        yield installation


@pytest_asyncio.fixture
async def gateways(installation: Installation) -> AsyncIterator[list[httpx.AsyncClient]]:
    urls = [installation.start_gateway() for _ in range(2)]
    async with AsyncExitStack() as stack:
        yield [await client_of(stack, url) for url in urls]


async def test_a_replica_killed_amid_refreshes_leaves_one_chain_and_no_innocent_revoked(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation, email: str
) -> None:
    await people.registered(email)
    tokens = await signed_in(gateways[1], email)
    current = tokens["refresh_token"]
    storm = [asyncio.create_task(refreshed(gateways[n % 2], current)) for n in range(40)]
    await asyncio.wait(storm, return_when=asyncio.FIRST_COMPLETED)
    installation.services[0].send(signal.SIGKILL)
    answers = await asyncio.gather(*storm)
    assert {answer.status_code for answer in answers} <= {200, 503}
    (successor,) = {answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}
    assert generation(installation.database, tokens["session_id"]) == 2
    # The first gateway's replica is gone; the other one's goes on with the chain.
    last = await refreshed(gateways[1], successor)
    assert last.status_code == 200
    assert (await refreshed(gateways[0], last.json()["refresh_token"])).status_code == 503
    assert (await refreshed(gateways[1], last.json()["refresh_token"])).status_code == 200
