"""Signing keys that change while people work: nobody is refused for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import jwt
import pytest
import pytest_asyncio

from auth.__main__ import build
from auth.secrets import Secrets
from auth.settings import Settings
from auth.signing import issuer
from auth.signing.keys import LEAD, OVERLAP
from auth.testing import People
from chassis.house import House
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.waiting import until
from gateway.testing.edge import Edge

from .conftest import bearer, client_of, signed_in
from .test_races import refreshed

AUTH = "/api/v1/auth"


class Clock:
    """A clock that the test moves on."""

    ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def running(
    service: Service[Settings], settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningService[Settings]]:
    # What takes its time by the real clock is asked for at once: the service's keys, and the gateways' key sets.
    monkeypatch.setattr("auth.signing.issuer._FRESH_S", 0.0)
    monkeypatch.setattr("gateway.identity._REFRESH_S", 0.1)
    server = RunningService(replace(service, build=partial(build, now=clock)), settings)
    await server.start()
    yield server
    await server.stop(grace_s=1)


@pytest.fixture
def persons(call: Client, house: House[Settings], clock: Clock) -> People:
    return People(call, house, clock)


class Crowd:
    """People at two gateways who use their tokens all the time, and refresh each some time before it ends."""

    def __init__(self, gateways: list[httpx.AsyncClient], clock: Clock) -> None:
        self.signed_with: set[str] = set()
        self._gateways = gateways
        self._clock = clock
        self._over = False
        self._rounds = [0] * 4
        self._workers = [asyncio.create_task(self._work(n)) for n in range(len(self._rounds))]

    async def go_on(self, length: timedelta) -> None:
        """Let the time pass in steps in which everybody refreshes their token and uses it."""
        end = self._clock.ahead + length
        while self._clock.ahead < end:
            self._clock.ahead = min(end, self._clock.ahead + timedelta(minutes=4, seconds=30))
            await until(partial(self._went_on_since, list(self._rounds)), longest_s=60)

    async def end(self) -> None:
        """Go home; raises what went wrong with anybody."""
        self._over = True
        await asyncio.gather(*self._workers)

    def _went_on_since(self, before: list[int]) -> bool:
        for worker in self._workers:
            if worker.done():
                worker.result()  # somebody was refused
        return all(now > earlier + 1 for now, earlier in zip(self._rounds, before, strict=True))

    async def _work(self, n: int) -> None:
        own = self._gateways[n % 2]
        tokens, since = await signed_in(own, "ines@example.test"), self._clock()
        while not self._over:
            if self._clock() - since > timedelta(minutes=4):
                since = self._clock()
                tokens = (await refreshed(own, tokens["refresh_token"])).json()
            self.signed_with.add(jwt.get_unverified_header(tokens["access_token"])["kid"])
            for gateway in self._gateways:
                answer = await gateway.get(f"{AUTH}/sessions", headers=bearer(tokens))
                assert answer.status_code == 200, answer.text
            self._rounds[n] += 1


async def published(gateway: httpx.AsyncClient) -> set[str]:
    answer = await gateway.get(f"{AUTH}/jwks.json", headers={"Cache-Control": "no-cache"})
    return {key["kid"] for key in answer.json()["keys"]}


async def test_a_key_rotates_while_people_work_and_nobody_is_refused(
    persons: People,
    house: House[Settings],
    settings: Settings,
    edge: Edge,
    start_edge: Callable[[], Edge],
    clock: Clock,
) -> None:
    edges = [edge, await asyncio.to_thread(start_edge)]
    await persons.registered("ines@example.test")
    secrets = Secrets(settings.auth_secret.get_secret_value())
    async with AsyncExitStack() as stack:
        gateways = [await client_of(stack, each.url) for each in edges]
        crowd = Crowd(gateways, clock)
        await crowd.go_on(timedelta(minutes=1))
        old = await published(gateways[0])
        assert crowd.signed_with == old
        await issuer.rotate(house.database, secrets, clock())
        both = await published(gateways[0])
        (new,) = both - old
        for each in edges:  # published, and known to every gateway, before it signs
            await until(lambda to=each: new in to.parts.authenticator._keys._keys, longest_s=60)
        await crowd.go_on(LEAD - timedelta(seconds=30))
        assert crowd.signed_with == old
        await crowd.go_on(timedelta(minutes=6))
        assert crowd.signed_with == both
        assert await published(gateways[1]) == both, "tokens of the one before are still about"
        await crowd.go_on(OVERLAP)
        await issuer.rotate(house.database, secrets, clock(), at_least=timedelta(days=30))
        assert await published(gateways[1]) == {new}
        await crowd.go_on(timedelta(minutes=6))
        await crowd.end()
