"""Two gateways and two auth replicas: one chain of refresh tokens, and revocations known everywhere within a second."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import psycopg

from auth.testing import People
from chassis.testing.plugin import Logins
from chassis.testing.waiting import until

from .conftest import bearer, signed_in
from .installation import Installation, wait_for
from .test_second_factor import asked, code_of, completed, enrolled

SESSIONS = "/api/v1/auth/sessions"
ROUNDS = 20


def generation(database: Logins, session_id: str) -> int:
    with psycopg.connect(database.admin) as connection:
        asked = "SELECT generation FROM auth.user_sessions WHERE id = %s"
        (number,) = connection.execute(asked, (session_id,)).fetchone() or (0,)
        return int(number)


async def refreshed(gateway: httpx.AsyncClient, token: str) -> httpx.Response:
    return await gateway.post("/api/v1/auth/refresh", json={"refresh_token": token})


async def refused(gateway: httpx.AsyncClient, tokens: Mapping[str, Any]) -> bool:
    answer = await gateway.get(SESSIONS, headers=bearer(tokens))
    assert answer.status_code in {200, 401}
    return answer.status_code == 401


async def test_a_hundred_refreshes_over_two_gateways_and_two_replicas_end_with_one_successor_every_time(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation, email: str
) -> None:
    await people.registered(email)
    tokens = await signed_in(gateways[0], email)
    current = tokens["refresh_token"]
    for round_ in range(ROUNDS):
        answers = await asyncio.gather(*(refreshed(gateways[n % 2], current) for n in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        (successor,) = {answer.json()["refresh_token"] for answer in answers}
        assert generation(installation.database, tokens["session_id"]) == round_ + 2
        current = successor
    assert (await gateways[1].get(SESSIONS, headers=bearer(tokens))).json()["total"] == 1


async def test_a_grandparent_raced_against_its_grandchild_ends_the_family_every_time(
    gateways: list[httpx.AsyncClient], people: People, email: str
) -> None:
    await people.registered(email)
    for _ in range(ROUNDS):
        first = (await signed_in(gateways[0], email))["refresh_token"]
        second = (await refreshed(gateways[0], first)).json()["refresh_token"]
        third = (await refreshed(gateways[1], second)).json()["refresh_token"]
        stolen, _ = await asyncio.gather(refreshed(gateways[0], first), refreshed(gateways[1], third))
        assert stolen.status_code == 401
        assert "set-cookie" not in stolen.headers
        for token in (first, second, third):
            assert (await refreshed(gateways[1], token)).status_code == 401


async def test_a_revoked_session_is_refused_at_every_gateway_within_a_second(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation, email: str
) -> None:
    await people.registered(email)
    here = await signed_in(gateways[0], email)
    took = []
    for _ in range(5):
        there = await signed_in(gateways[1], email)
        for gateway in gateways:
            assert (await gateway.get(SESSIONS, headers=bearer(there))).status_code == 200
        revoked = await gateways[0].post(f"{SESSIONS}/{there['session_id']}/revoke", headers=bearer(here))
        assert revoked.status_code == 204
        since = time.monotonic()
        for gateway in gateways:
            await until(lambda to=gateway, who=there: refused(to, who), longest_s=60)
        took.append(time.monotonic() - since)
    assert min(took) < 1, "others have what a busy machine adds"
    # A gateway that starts now has never seen the session live.
    url = installation.start_gateway()
    await wait_for(url)
    async with httpx.AsyncClient(base_url=url, timeout=60) as fresh:
        assert await refused(fresh, there)
        assert not await refused(fresh, here)


async def test_a_code_raced_over_two_gateways_and_two_replicas_lets_one_in_every_time(
    gateways: list[httpx.AsyncClient], people: People, email: str
) -> None:
    await people.registered(email)
    tokens = await signed_in(gateways[0], email)
    secret, recovery_codes = await enrolled(gateways[0], tokens)
    for code in recovery_codes[:5]:
        pendings = [await asked(gateways[n % 2], email) for n in range(6)]
        answers = await asyncio.gather(
            *(completed(gateways[n % 2], pending, recovery_code=code) for n, pending in enumerate(pendings))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
        good = await completed(gateways[0], await asked(gateways[1], email), recovery_code=recovery_codes.pop())
        assert good.status_code == 200
    # The next step's code, which the clock does not outrun here.
    pendings = [await asked(gateways[n % 2], email) for n in range(6)]
    answers = await asyncio.gather(
        *(completed(gateways[n % 2], pending, code=code_of(secret, 1)) for n, pending in enumerate(pendings))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
