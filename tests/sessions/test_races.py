"""Two gateways and two auth replicas: one chain of refresh tokens, and revocations known everywhere within a second."""

import asyncio
import signal
import time
from collections.abc import Mapping
from typing import Any

import httpx
import psycopg

from auth.testing import PASSWORD, People
from chassis.testing.plugin import Logins
from chassis.testing.waiting import until

from .conftest import Installation, bearer, signed_in, wait_for
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
    gateways: list[httpx.AsyncClient], people: People, database: Logins
) -> None:
    await people.registered("ines@example.test")
    tokens = await signed_in(gateways[0], "ines@example.test")
    current = tokens["refresh_token"]
    for round_ in range(ROUNDS):
        answers = await asyncio.gather(*(refreshed(gateways[n % 2], current) for n in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        (successor,) = {answer.json()["refresh_token"] for answer in answers}
        assert generation(database, tokens["session_id"]) == round_ + 2
        current = successor
    assert (await gateways[1].get(SESSIONS, headers=bearer(tokens))).json()["total"] == 1


async def test_a_grandparent_raced_against_its_grandchild_ends_the_family_every_time(
    gateways: list[httpx.AsyncClient], people: People
) -> None:
    await people.registered("ines@example.test")
    for _ in range(ROUNDS):
        first = (await signed_in(gateways[0], "ines@example.test"))["refresh_token"]
        second = (await refreshed(gateways[0], first)).json()["refresh_token"]
        third = (await refreshed(gateways[1], second)).json()["refresh_token"]
        stolen, _ = await asyncio.gather(refreshed(gateways[0], first), refreshed(gateways[1], third))
        assert stolen.status_code == 401
        assert "set-cookie" not in stolen.headers
        for token in (first, second, third):
            assert (await refreshed(gateways[1], token)).status_code == 401


async def test_a_revoked_session_is_refused_at_every_gateway_within_a_second(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation
) -> None:
    await people.registered("ines@example.test")
    here = await signed_in(gateways[0], "ines@example.test")
    slowest = 0.0
    for _ in range(5):
        there = await signed_in(gateways[1], "ines@example.test")
        for gateway in gateways:
            assert (await gateway.get(SESSIONS, headers=bearer(there))).status_code == 200
        revoked = await gateways[0].post(f"{SESSIONS}/{there['session_id']}/revoke", headers=bearer(here))
        assert revoked.status_code == 204
        since = time.monotonic()
        for gateway in gateways:
            await until(lambda to=gateway, who=there: refused(to, who))
        slowest = max(slowest, time.monotonic() - since)
    assert slowest < 3, "a second, and what a busy machine adds"
    # A gateway that starts now has never seen the session live.
    url = installation.start_gateway()
    await wait_for(url)
    async with httpx.AsyncClient(base_url=url, timeout=60) as fresh:
        assert await refused(fresh, there)
        assert not await refused(fresh, here)


async def test_a_replica_killed_amid_refreshes_leaves_one_chain_and_no_innocent_revoked(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation, database: Logins
) -> None:
    await people.registered("ines@example.test")
    tokens = await signed_in(gateways[1], "ines@example.test")
    current = tokens["refresh_token"]
    storm = [asyncio.create_task(refreshed(gateways[n % 2], current)) for n in range(40)]
    await asyncio.wait(storm, return_when=asyncio.FIRST_COMPLETED)
    installation.services[0].send(signal.SIGKILL)
    answers = await asyncio.gather(*storm)
    assert {answer.status_code for answer in answers} <= {200, 503}
    (successor,) = {answer.json()["refresh_token"] for answer in answers if answer.status_code == 200}
    assert generation(database, tokens["session_id"]) == 2
    alive = gateways[len(installation.gateways) - 1]
    statuses = {(await refreshed(gateway, successor)).status_code for gateway in (alive, gateways[0], gateways[1])}
    assert 200 in statuses
    assert statuses <= {200, 503}


async def test_nothing_that_lets_in_stands_in_the_database_or_in_a_log(
    gateways: list[httpx.AsyncClient], people: People, installation: Installation, database: Logins
) -> None:
    await people.registered("ines@example.test")
    tokens = await signed_in(gateways[0], "ines@example.test")
    next_ones = (await refreshed(gateways[1], tokens["refresh_token"])).json()
    made = await gateways[0].post(
        "/api/v1/auth/access-tokens",
        json={"name": "Deploys"},
        headers={**bearer(tokens), "Idempotency-Key": '"k1"'},
    )
    assert made.status_code == 201, made.text
    secret, recovery_codes = await enrolled(gateways[1], tokens)
    pending = await asked(gateways[0])
    assert (await completed(gateways[1], pending, recovery_code=recovery_codes[0])).status_code == 200
    left = await asked(gateways[1])
    assert (await completed(gateways[0], left, code="000000")).status_code == 401
    secrets: list[str] = [
        PASSWORD,
        secret,
        pending,
        left,
        *recovery_codes,
        made.json()["token"],
        *(pair[name] for pair in (tokens, next_ones) for name in ("access_token", "refresh_token")),
    ]
    dump = dump_of(database)
    logs = installation.logs()
    assert "ines@example.test" in dump
    assert logs
    for secret in secrets:
        for haystack in (dump, logs):
            assert secret not in haystack
            assert secret.removeprefix("nfr_").removeprefix("nft_")[-43:] not in haystack


def dump_of(database: Logins) -> str:
    """Give every row of the schema as text, with bytes also as they are."""
    rows: list[Any] = []
    with psycopg.connect(database.admin) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'auth'").fetchall()
        for (table,) in tables:
            rows += connection.execute(f"SELECT * FROM auth.{table}".encode()).fetchall()  # noqa: S608 - a name
    return "\n".join(
        value.decode("latin-1") if isinstance(value, bytes) else str(value) for row in rows for value in row
    )


async def test_a_code_raced_over_two_gateways_and_two_replicas_lets_one_in_every_time(
    gateways: list[httpx.AsyncClient], people: People
) -> None:
    await people.registered("ines@example.test")
    tokens = await signed_in(gateways[0], "ines@example.test")
    secret, recovery_codes = await enrolled(gateways[0], tokens)
    for code in recovery_codes[:5]:
        pendings = [await asked(gateways[n % 2]) for n in range(6)]
        answers = await asyncio.gather(
            *(completed(gateways[n % 2], pending, recovery_code=code) for n, pending in enumerate(pendings))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]
        assert (await completed(gateways[0], await asked(gateways[1]), recovery_code=recovery_codes.pop())).is_success
    # The next step's code, which the clock does not outrun here.
    pendings = [await asked(gateways[n % 2]) for n in range(6)]
    answers = await asyncio.gather(
        *(completed(gateways[n % 2], pending, code=code_of(secret, 1)) for n, pending in enumerate(pendings))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401, 401]


async def test_limits_on_guessing_hold_over_two_gateways_and_two_replicas(
    gateways: list[httpx.AsyncClient], people: People
) -> None:
    person = "ines@example.test"
    await people.registered(person)
    guesses = await asyncio.gather(
        *(
            gateways[n % 2].post("/api/v1/auth/token", json={"username": person, "password": f"guess {n}"})
            for n in range(24)
        )
    )
    statuses = [guess.status_code for guess in guesses]
    assert statuses.count(401) == 10
    assert statuses.count(429) == 14
    waits = [int(guess.headers["retry-after"]) for guess in guesses if guess.status_code == 429]
    assert all(0 < wait <= 900 for wait in waits)
