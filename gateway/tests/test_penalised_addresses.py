"""What a penalised address is refused, and what it still gets, over HTTP before a real Redis."""

import asyncio
import json
import re
import socket
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import redis as redis_client
from prometheus_client import REGISTRY
from pydantic import SecretStr
from redis.asyncio import Redis as AsyncRedis

from chassis.embedded.redis import Redis as RedisServer
from chassis.errors import Unavailable
from chassis.testing.waiting import wait_for
from gateway import command, penalties
from gateway.penalties import RECORD
from gateway.testing.community import StandInPosts
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.testing.public import ITEM, STATUS, told
from gateway.testing.servicer import StandInProjects
from gateway.testing.status import StandInPage

PATH = "/api/v1/projects"
INES = "018f0000-0000-7000-8000-000000000001"
ATTACKER, NEIGHBOUR = {"X-Forwarded-For": "198.51.100.7"}, {"X-Forwarded-For": "198.51.100.8"}
THREATS = 20
"""Of 10 points each: ten more than a penalty takes, since points go away, and a busy machine is slow."""


@pytest.fixture(autouse=True)
def counted(edge: Edge) -> Iterator[None]:
    """On a busy machine too."""
    with edge.unhurried():
        yield


@pytest.fixture(autouse=True)
def also_counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same of the gateway with public answers, where a test has it."""
    edge: Edge | None = request.getfixturevalue("public_edge") if "anyone" in request.fixturenames else None
    with edge.unhurried() if edge is not None else nullcontext():
        yield


def scan(client: httpx.Client, times: int = THREATS, **headers: str) -> None:
    for number in range(times):
        assert client.get(f"/backup-{number}.sql", headers=ATTACKER | headers).status_code == 404


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


PENALISED = (429, "address-penalised")
UNKNOWN = (401, "unauthenticated")


def test_after_many_threats_an_address_is_refused_what_needs_no_identity_and_told_until_when(
    client: httpx.Client, projects: StandInProjects
) -> None:
    scan(client, 9)
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    scan(client, 11)
    answer = client.get(PATH, headers=ATTACKER)
    assert kind(answer) == PENALISED
    left = int(answer.headers["Retry-After"])
    assert 1 <= left <= 3_600
    assert f"in {left} seconds" in answer.json()["detail"]
    assert answer.headers["RateLimit"] == f'"anonymous";r=0;t={left}'
    assert (answer.headers["X-RateLimit-Remaining"], answer.headers["Cache-Control"]) == ("0", "no-store")
    assert kind(client.get(PATH, headers=NEIGHBOUR)) == UNKNOWN
    assert projects.calls == []


def test_when_the_time_is_over_the_address_is_admitted(client: httpx.Client, redis: redis_client.Redis) -> None:
    scan(client)
    assert kind(client.get(PATH, headers=ATTACKER)) == PENALISED
    record = RECORD + ATTACKER["X-Forwarded-For"]
    redis.hset(record, "until", redis.time()[0] * 1_000_000)  # the second that has begun
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    scan(client)
    left = int(client.get(PATH, headers=ATTACKER).headers["Retry-After"])
    assert 3_600 < left <= 7_200, "the second one is longer"


def test_who_is_signed_in_behind_the_same_address_notices_nothing(client: httpx.Client, ines: httpx.Client) -> None:
    before = ines.get(PATH, headers=NEIGHBOUR)
    scan(client)
    answer = ines.get(PATH, headers=ATTACKER)
    assert answer.status_code == 200
    assert int(answer.headers["X-RateLimit-Remaining"]) >= int(before.headers["X-RateLimit-Remaining"]) - 1
    made = ines.post(PATH, json={"name": "Shared"}, headers={**ATTACKER, "Idempotency-Key": f'"{uuid4()}"'})
    assert made.status_code == 201


def test_what_somebody_does_who_is_signed_in_costs_the_address_nothing(
    client: httpx.Client, ines: httpx.Client
) -> None:
    large = {**ATTACKER, "Content-Type": "application/json"}
    for number in range(25):
        keyed = {**large, "Idempotency-Key": f'"{number}"'}
        assert ines.post(PATH, content=b"x" * (1024 * 1024 + 1), headers=keyed).status_code == 413
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN


@pytest.mark.parametrize("target", ["/.env", f"{PATH}/a%2fb", f"{PATH}/{'x' * 33_000}"])
def test_what_is_refused_before_anybody_asks_who_sent_it_costs_nothing_either_with_a_token_that_is_known(
    client: httpx.Client, ines: httpx.Client, target: str
) -> None:
    assert ines.get(PATH, headers=NEIGHBOUR).status_code == 200
    for _ in range(25):
        assert ines.get(target, headers=ATTACKER).status_code in {404, 400, 431}
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    for _ in range(25):
        client.get(target, headers={**ATTACKER, "Authorization": "Bearer of.no.use"})
    assert kind(client.get(PATH, headers=ATTACKER)) == PENALISED


def test_an_expired_token_is_told_so_that_its_client_gets_a_new_one(
    client: httpx.Client, issuer: StandInIssuer
) -> None:
    scan(client)
    expired = {"Authorization": f"Bearer {issuer.token(INES, exp=1)}"}
    answer = client.get(PATH, headers=ATTACKER | expired)
    assert kind(answer) == UNKNOWN
    assert "The token has expired" in answer.headers["WWW-Authenticate"]


def test_a_client_that_repeats_an_expired_token_is_never_penalised(
    client: httpx.Client, issuer: StandInIssuer, redis: redis_client.Redis
) -> None:
    expired = {"Authorization": f"Bearer {issuer.token(INES, exp=1)}"}
    for _ in range(50):
        client.get(PATH, headers=ATTACKER | expired)
    assert not redis.exists(RECORD + ATTACKER["X-Forwarded-For"])


def test_forged_tokens_are_penalised_too_and_still_counted(client: httpx.Client) -> None:
    forged = {**ATTACKER, "Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}
    before = REGISTRY.get_sample_value("threats_total", {"kind": "forged_token"}) or 0.0
    kinds = [kind(client.get(PATH, headers=forged)) for _ in range(10)]
    assert kinds[:5] == [UNKNOWN] * 5
    assert kinds[-1] == PENALISED
    assert REGISTRY.get_sample_value("threats_total", {"kind": "forged_token"}) == before + 10


def test_what_a_client_claims_about_its_address_moves_no_penalty(client: httpx.Client) -> None:
    victim = NEIGHBOUR["X-Forwarded-For"]
    claims = {"Forwarded": f"for={victim}", "X-Real-IP": victim, "True-Client-IP": victim}
    for number in range(THREATS):
        claimed = {"X-Forwarded-For": f"{victim}, {number}.1.1.1, 198.51.100.7"}
        client.get("/.env", headers=claims | claimed)
    assert kind(client.get(PATH, headers=NEIGHBOUR)) == UNKNOWN
    assert kind(client.get(PATH, headers=ATTACKER)) == PENALISED
    escape = {"X-Forwarded-For": f"{victim}, 198.51.100.7"}
    assert kind(client.get(PATH, headers=claims | escape)) == PENALISED


def test_pages_that_make_a_visitors_browser_ask_for_such_paths_have_nobody_penalised(
    client: httpx.Client, redis: redis_client.Redis
) -> None:
    led: list[dict[str, str]] = [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Origin": "https://hostile.example"},
        {"Referer": "https://hostile.example/"},
    ]
    for headers in led:
        scan(client, 2 * THREATS, **headers)
    preflight = {"Origin": "https://hostile.example", "Access-Control-Request-Method": "DELETE"}
    for _ in range(2 * THREATS):
        client.options("/.env", headers=ATTACKER | preflight)
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    assert not redis.exists(RECORD + ATTACKER["X-Forwarded-For"])


def test_one_ipv6_site_is_penalised_as_one_address(client: httpx.Client) -> None:
    for number in range(THREATS):
        client.get("/.env", headers={"X-Forwarded-For": f"2001:db8:1:2::{number:x}"})
    assert kind(client.get(PATH, headers={"X-Forwarded-For": "2001:db8:1:2:ffff::1"})) == PENALISED
    assert kind(client.get(PATH, headers={"X-Forwarded-For": "2001:db8:1:3::1"})) == UNKNOWN


def test_nobody_is_penalised_for_what_comes_from_the_proxy_itself(client: httpx.Client) -> None:
    for _ in range(2 * THREATS):
        client.get("/.env")
        client.get("/.env", headers={"X-Forwarded-For": "unknown"})
    assert kind(client.get(PATH)) == UNKNOWN


def test_what_never_became_a_request_costs_points_as_well(edge: Edge, client: httpx.Client) -> None:
    lines = "POST /x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.7\r\nTransfer-Encoding: gzip\r\n\r\n"
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", edge.port), timeout=60) as connection:
            connection.sendall(lines.encode())
            while connection.recv(65_536):
                pass
    wait_for(lambda: kind(client.get(PATH, headers=ATTACKER)) == PENALISED, 60, what="a penalty")


def test_what_is_kept_for_everyone_is_still_given_and_no_service_asked(
    anyone: httpx.Client, posts: StandInPosts
) -> None:
    scan(anyone)
    assert kind(anyone.get(ITEM, headers=ATTACKER)) == PENALISED
    assert kind(anyone.get(ITEM, headers={**ATTACKER, "Cache-Control": "no-cache"})) == PENALISED
    assert posts.asked == []
    assert anyone.get(ITEM, headers=NEIGHBOUR).status_code == 200
    answer = anyone.get(ITEM, headers=ATTACKER)
    assert (answer.status_code, told(answer).partition(";")[0]) == (200, "hit")
    assert "Retry-After" not in answer.headers
    assert int(answer.headers["X-RateLimit-Remaining"]) > 0
    assert kind(anyone.get(ITEM, headers={**ATTACKER, "Cache-Control": "no-cache"})) == PENALISED
    assert len(posts.asked) == 1


def test_what_is_kept_is_within_the_quota_for_a_penalised_address_too(
    client: httpx.Client, edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = edge.parts.tiers
    monkeypatch.setitem(tiers, "public", replace(tiers["public"], quota=2, window_s=100_000))
    scan(client)
    answers = [client.get(ITEM, headers=ATTACKER) for _ in range(4)]
    assert [kind(answer) for answer in answers] == [PENALISED] * 4
    assert 49_000 < int(answers[-1].headers["Retry-After"]) <= 50_000, "the later of both: then one is admitted"


def test_the_status_page_is_there_for_everyone(anyone: httpx.Client, page: StandInPage) -> None:
    scan(anyone)
    assert anyone.get(STATUS, headers=ATTACKER).status_code == 200
    page.replies["GetPage"] = Unavailable("restarting")
    assert anyone.get(STATUS, headers=ATTACKER | {"Cache-Control": "no-cache"}).json()["stale"] is True


def test_probes_and_the_page_that_explains_the_refusal_are_there_for_everyone(client: httpx.Client) -> None:
    scan(client)
    where = httpx.URL(client.get(PATH, headers=ATTACKER).json()["type"]).path
    for path in ("/health", "/ready", where):
        assert client.get(path, headers=ATTACKER).status_code == 200
    assert client.options(PATH, headers=ATTACKER).status_code == 204


@pytest.fixture
def another_edge(redis_server: RedisServer, issuer: StandInIssuer) -> Iterator[httpx.Client]:
    edge = Edge(redis_server.url, issuer, trusted_proxies=("127.0.0.1/32",), penalty_s=3_600, penalty_longest_s=7_200)
    edge.start()
    with edge.unhurried(), httpx.Client(base_url=edge.url, timeout=60) as client:
        yield client
    edge.stop()


def test_two_gateways_count_together(client: httpx.Client, another_edge: httpx.Client) -> None:
    for gateway in (client, another_edge):
        scan(gateway, 9)
    for gateway in (client, another_edge):
        assert kind(gateway.get(PATH, headers=ATTACKER)) == PENALISED


def test_while_redis_is_away_nobody_is_penalised(issuer: StandInIssuer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    edge = Edge(f"redis://127.0.0.1:{port}/0", issuer, trusted_proxies=("127.0.0.1/32",))
    edge.start()
    before = REGISTRY.get_sample_value("penalty_points_lost_total") or 0.0
    with httpx.Client(base_url=edge.url, timeout=60) as client:
        scan(client, 2 * THREATS)
        assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    edge.stop()
    assert REGISTRY.get_sample_value("penalty_points_lost_total") == before + 2 * THREATS * 10


def test_an_operator_lists_penalties_and_lifts_one(
    client: httpx.Client, edge: Edge, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(lifted: str | None = None) -> tuple[int, str, str]:
        code = asyncio.run(command.answer(edge.parts.settings, lifted))
        return code, *capsys.readouterr()

    scan(client)
    code, told, _ = asked()
    assert code == 0
    assert re.fullmatch(r"198\.51\.100\.7  3[0-9]{3} s left, number 1\n", told)
    assert asked("198.51.100.7") == (0, "", "198.51.100.7 is penalised no more\n")
    assert kind(client.get(PATH, headers=ATTACKER)) == UNKNOWN
    assert asked() == (0, "", "0 penalised\n")
    assert asked("198.51.100.7") == (1, "", "nothing is known of 198.51.100.7\n")
    assert asked("198.51.100") == (2, "", "198.51.100 is no address\n")


def test_an_operator_is_told_that_redis_is_away(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    away = edge.parts.settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1/0")})
    assert asyncio.run(command.answer(away, None)) == 2
    assert capsys.readouterr().err.startswith("Redis does not answer: ")


def test_a_site_is_lifted_by_its_network_or_any_address_of_it(client: httpx.Client, edge: Edge) -> None:
    async def lifted(address: str) -> bool:
        async with AsyncRedis.from_url(edge.parts.settings.redis_url.get_secret_value()) as redis:
            return await penalties.lift(redis, address)

    for address in ("2001:db8:1:2::/64", "2001:db8:1:2::9"):
        for _ in range(THREATS):
            client.get("/.env", headers={"X-Forwarded-For": "2001:db8:1:2::1"})
        assert kind(client.get(PATH, headers={"X-Forwarded-For": "2001:db8:1:2::2"})) == PENALISED
        assert asyncio.run(lifted(address))
        assert kind(client.get(PATH, headers={"X-Forwarded-For": "2001:db8:1:2::2"})) == UNKNOWN
    assert not asyncio.run(lifted("nobody"))


def test_how_many_penalties_run_is_told(client: httpx.Client, edge: Edge, redis_server: RedisServer) -> None:
    scan(client)

    async def number(url: str) -> int:
        async with AsyncRedis.from_url(url) as redis:
            return await penalties.number(redis)

    assert asyncio.run(number(redis_server.url)) == 1
    assert asyncio.run(number("redis://127.0.0.1:1/0")) == 0
    wait_for(lambda: REGISTRY.get_sample_value("penalised_addresses") == 1, 20.0, what="the gateway's own look")


def test_the_type_of_the_refusal_is_in_the_reference(client: httpx.Client) -> None:
    document = json.dumps(client.get("/openapi.json").json())
    assert "/problems/address-penalised" in document
