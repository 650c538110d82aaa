"""Guessing passwords over two gateways and two auth replicas: by account, by address, and where the owner is let in."""

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import uuid4

import httpx

from auth.testing import People

from .conftest import client_of, signed_in
from .installation import Installation

HOME, ELSEWHERE, MOBILE = "203.0.113.7", "198.51.100.7", "192.0.2.77"


async def guess(gateway: httpx.AsyncClient, email: str, address: str, n: int = 0) -> httpx.Response:
    wish = {"username": email, "password": f"guess number {n}"}
    return await gateway.post("/api/v1/auth/token", json=wish, headers={"X-Forwarded-For": address})


async def test_an_account_takes_ten_guesses_from_a_network_and_lets_its_owner_in_from_elsewhere(
    gateways: list[httpx.AsyncClient], people: People, email: str
) -> None:
    await people.registered(email)
    guesses = await asyncio.gather(
        *(guess(gateways[n % 2], email, f"198.51.100.{n + 1}", n) for n in range(24))  # one network of /24
    )
    statuses = [answer.status_code for answer in guesses]
    assert (statuses.count(401), statuses.count(429)) == (10, 14)
    assert all(0 < int(answer.headers["retry-after"]) <= 900 for answer in guesses if answer.status_code == 429)
    for gateway in gateways:
        assert (await guess(gateway, email, ELSEWHERE)).status_code == 429
        await signed_in(gateway, email, **{"X-Forwarded-For": MOBILE})


async def test_an_account_takes_a_hundred_guesses_from_all_unknown_networks_and_lets_its_owner_in_at_home(
    gateways: list[httpx.AsyncClient], people: People, email: str
) -> None:
    await people.registered(email)
    await signed_in(gateways[0], email, **{"X-Forwarded-For": HOME})
    statuses = []
    for round_ in range(0, 110, 10):  # a service that has too many passwords to check at once says so
        answers = await asyncio.gather(
            *(guess(gateways[n % 2], email, f"10.{n}.0.1", n) for n in range(round_, round_ + 10))
        )
        statuses += [answer.status_code for answer in answers]
    # The owner's first sign-in was from a network that was unknown then.
    assert (statuses.count(401), statuses.count(429)) == (99, 11)
    for gateway in gateways:
        await signed_in(gateway, email, **{"X-Forwarded-For": HOME})


async def test_an_address_takes_so_many_guesses_at_all_accounts_together_and_others_go_on(
    installation: Installation, people: People, email: str
) -> None:
    await people.registered(email)
    urls = [installation.start_gateway(NEOFORGE_QUOTAS="credentials=20/600") for _ in range(2)]
    address = f"2001:db8:{uuid4().hex[:4]}:1::"  # one client owns a whole /64
    async with AsyncExitStack() as stack:
        gateways = [await client_of(stack, url) for url in urls]
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(guess(gateways[n % 2], f"nobody-{n}@example.test", f"{address}{n:x}") for n in range(40))
        )
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {401, 429}
        # One more is let through every 30 seconds.
        assert 20 <= statuses.count(401) <= 21 + (time.monotonic() - begun) / 30
        for gateway in gateways:
            await signed_in(gateway, email, **{"X-Forwarded-For": HOME})
