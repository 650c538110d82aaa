"""When a penalty begins, how long it is, when it ends, and whom it never meets: on a clock that the tests give."""

import itertools
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
import redis as redis_client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from gateway import penalties, ratelimit
from gateway.addresses import client_address
from gateway.penalties import RECORD, RUNNING, Penalties, Rules
from gateway.ratelimit import Decision
from gateway.redisline import Keys
from gateway.threats import THREATS
from gateway.tiers import Tier

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
RULES = Rules(points=100, first_s=60, longest_s=900, never=(ip_network("10.0.0.0/8"), ip_network("2001:db8:ff::/48")))
TIER = Tier("anonymous", 10, 60)
GIVEN = "{math.floor(ARGV[#ARGV] / 1000000), ARGV[#ARGV] % 1000000}"
FINE = penalties.SCRIPT.replace("redis.call('TIME')", GIVEN)
TAKE = ratelimit.SCRIPT.replace("redis.call('TIME')", GIVEN)
ATTACKER = "198.51.100.7"
names = itertools.count()


@dataclass
class Address:
    """One that nobody had before, and what Redis knows of it at the time of the test."""

    redis: redis_client.Redis
    now: int = START
    rules: Rules = RULES
    record: str = field(default_factory=lambda: f"{RECORD}test-{next(names)}")

    def fine(self, points: int) -> tuple[int, int, bool]:
        """Give points for a threat; gives the penalty's rest in seconds, its number, and whether it begins now."""
        arguments = (*self.rules.arguments(points), self.now)
        left, offences, begins, told = self.redis.register_script(FINE)([self.record, RUNNING], arguments)
        self.redis.persist(self.record)  # the given clock is not the one that Redis expires keys by
        assert told == self.now
        return left / SECOND, offences, bool(begins)

    def ask(self) -> Decision:
        """Send a request without an identity."""
        arguments = (TIER.interval_us, TIER.quota, 1, self.now)
        bucket = f"test-bucket:{self.record}"
        allowed, left, retry, more, told, penalty = self.redis.register_script(TAKE)([bucket, self.record], arguments)
        self.redis.persist(bucket)
        return Decision(TIER, bool(allowed), left, retry, more, told, penalty_us=penalty)


@pytest.fixture
def address(redis: redis_client.Redis) -> Address:
    return Address(redis)


def test_a_penalty_begins_with_the_threat_that_makes_the_points_full(address: Address) -> None:
    assert [address.fine(20) for _ in range(4)] == [(0, 0, False)] * 4
    assert not address.ask().penalty_us
    assert address.fine(20) == (60, 1, True)
    assert address.ask().penalty_us == 60 * SECOND


def test_points_go_away_with_time(address: Address) -> None:
    for _ in range(100):
        assert not address.fine(10)[2]
        address.now += 60 * SECOND
    assert not address.fine(89)[2]


def test_a_penalty_ends_exactly_when_it_was_said_to_and_not_before(address: Address) -> None:
    address.fine(100)
    address.now += 41 * SECOND + 1
    decision = address.ask().penalised()
    assert decision.retry_after_s == 19
    address.now += 19 * SECOND - 2
    assert address.ask().penalty_us == 1
    address.now += 1
    assert (address.ask().penalty_us, address.ask().allowed) == (0, True)


def test_a_penalty_that_runs_is_made_no_longer_so_that_what_was_told_stays_true(address: Address) -> None:
    address.fine(100)
    told = address.ask().penalised().retry_after_s
    for _ in range(told):
        address.fine(100)
        address.now += SECOND
    assert (address.ask().penalty_us, address.ask().allowed) == (0, True)
    assert address.fine(1)[1:] == (2, True), "what came meanwhile counts for the next one"


def test_each_further_penalty_is_twice_as_long_up_to_the_longest(address: Address) -> None:
    spans = []
    for _ in range(8):
        left, _, begins = address.fine(100)
        assert begins
        spans.append(left)
        address.now += int(left) * SECOND
    assert spans == [60, 120, 240, 480, 900, 900, 900, 900]


def test_a_penalty_is_forgotten_an_hour_after_its_end(address: Address, redis: redis_client.Redis) -> None:
    address.fine(100)
    address.now += 3_659 * SECOND
    assert address.fine(100) == (120, 2, True)
    address.now += 3_720 * SECOND
    assert address.fine(100) == (60, 1, True)
    redis.register_script(penalties.SCRIPT)([address.record, RUNNING], address.rules.arguments(1))
    assert redis.pttl(address.record) > 0, "nothing stays for good"


def test_who_did_little_is_forgotten_when_the_points_are_gone(redis: redis_client.Redis) -> None:
    redis.register_script(penalties.SCRIPT)([RECORD + "little", RUNNING], RULES.arguments(10))
    assert 55_000 < redis.pttl(RECORD + "little") <= 60_000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    threats=st.lists(
        st.tuples(st.integers(0, 900_000_000), st.sampled_from([threat.points or 1 for threat in THREATS.values()])),
        min_size=1,
        max_size=40,
    ),
    requests=st.integers(0, 15),
)
def test_whoever_sleeps_exactly_retry_after_is_admitted_whatever_came_before(
    redis: redis_client.Redis, threats: list[tuple[int, int]], requests: int
) -> None:
    address = Address(redis, rules=Rules(points=40, first_s=2, longest_s=60))
    for gap, points in threats:
        address.now += gap
        address.fine(points)
        for _ in range(requests):
            decision = address.ask()
        if requests and decision.penalty_us:
            assert 1 <= decision.penalised().retry_after_s <= 60
            address.now += decision.penalised().retry_after_s * SECOND
            assert address.ask().allowed
            assert not address.ask().penalty_us


@dataclass
class Heard:
    """Redis, as far as who asks can tell: keeps the keys that it was asked about, and answers or not."""

    answer: list[int] | None = field(default_factory=lambda: [0, 0, 0, 0])
    keys: list[Keys] = field(default_factory=list)

    async def run(self, keys: Keys, *_: int, patience_s: float | None = None) -> list[int] | None:
        assert patience_s is None
        self.keys.append(keys)
        return self.answer

    def send(self, keys: Keys, *_: int) -> None:
        raise AssertionError(keys)


def seen_from(address: str, *headers: tuple[bytes, bytes], **more: bool) -> dict[str, Any]:
    return {"neoforge.address": address, "headers": [(b"host", b"x"), *headers], **more}


async def test_an_ipv6_site_is_one_address_and_a_mapped_one_is_its_ipv4() -> None:
    heard = Heard()
    kept = Penalties(heard, RULES)
    for written in ("2001:db8:1:2::a", "2001:db8:1:2:ffff::b"):
        await kept.saw("scanner_path", seen_from(client_address(written, [], ())))
    await kept.saw("scanner_path", seen_from(client_address(f"::ffff:{ATTACKER}", [], ())))
    assert heard.keys == [(RECORD + "2001:db8:1:2::/64", RUNNING)] * 2 + [(RECORD + ATTACKER, RUNNING)]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8:ff:1::5", "", "unknown", "unix:"],
)
async def test_loopback_proxies_listed_networks_and_the_unknown_are_never_penalised(address: str) -> None:
    heard = Heard()
    kept = Penalties(heard, RULES)
    await kept.saw("forged_token", seen_from(address))
    assert kept.record(address) is None
    assert heard.keys == []


async def test_without_points_nobody_is_penalised_and_threats_are_counted_all_the_same() -> None:
    heard, before = Heard(), told("threats_total", kind="traversal")
    kept = Penalties(heard, Rules(0, 60, 900))
    await kept.saw("traversal", seen_from(ATTACKER))
    assert (kept.record(ATTACKER), heard.keys) == (None, [])
    assert told("threats_total", kind="traversal") == before + 1


@pytest.mark.parametrize(
    "scope",
    [
        *(
            seen_from(ATTACKER, (b"sec-fetch-site", site))
            for site in (b"cross-site", b"same-site", b"none", b"same-origin")
        ),
        seen_from(ATTACKER, (b"origin", b"null")),
        seen_from(ATTACKER, (b"referer", b"https://hostile.example/")),
        seen_from(ATTACKER, **{"neoforge.proved": True}),
    ],
)
async def test_browsers_that_may_be_led_and_people_with_an_identity_cost_their_address_nothing(
    scope: dict[str, Any],
) -> None:
    heard, before = Heard(), told("threats_total", kind="oversized")
    await Penalties(heard, RULES).saw("oversized", scope)
    assert heard.keys == []
    assert told("threats_total", kind="oversized") == before + 1


async def test_what_another_process_counts_is_not_counted_again_and_costs_points() -> None:
    heard, before = Heard(), told("threats_total", kind="brute_force")
    await Penalties(heard, RULES, knows=lambda _: True).saw("brute_force", seen_from(ATTACKER))
    assert heard.keys == [(RECORD + ATTACKER, RUNNING)], "and a token that is sent along does not help"
    assert told("threats_total", kind="brute_force") == before


async def test_while_redis_is_away_points_are_lost_and_that_is_counted() -> None:
    before = told("penalty_points_lost_total")
    await Penalties(Heard(answer=None), RULES).saw("scanner_path", seen_from(ATTACKER))
    assert told("penalty_points_lost_total") == before + THREATS["scanner_path"].points


async def test_a_penalty_is_counted_and_logged_once_without_the_whole_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = told("address_penalties_total")
    for begins in (0, 1, 0):
        await Penalties(Heard(answer=[60 * SECOND, 1, begins, START]), RULES).saw("smuggling", seen_from(ATTACKER))
    assert told("address_penalties_total") == before + 1
    (line,) = caplog.records
    assert (line.getMessage(), line.__dict__["network"]) == (
        "an address is penalised for 60 s, its penalty number 1: smuggling",
        "198.51.100.0/24",
    )
    assert ATTACKER not in str(line.__dict__)


def told(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


PROXY = "10.0.0.1"
VICTIM = "203.0.113.9"
addresses = st.sampled_from(
    [VICTIM, f"::ffff:{VICTIM}", f'"{VICTIM}:443"', "127.0.0.1", PROXY, "unknown", "_x", "", "::1"]
)
spoofs: st.SearchStrategy[tuple[bytes, bytes]] = st.one_of(
    st.tuples(st.just(b"x-forwarded-for"), st.lists(addresses, max_size=4).map(", ".join)),
    st.tuples(st.just(b"forwarded"), st.lists(addresses.map("for={}".format), max_size=4).map(", ".join)),
    st.tuples(
        st.sampled_from([b"x-real-ip", b"true-client-ip", b"x-client-ip", b"via", b"x-forwarded-for"]), addresses
    ),
    st.tuples(st.just(b"x-forwarded-for"), st.text('0123456789.:,"[]% for=', max_size=30)),
).map(lambda header: (header[0], header[1].encode()))


@settings(deadline=None, max_examples=300)
@given(
    forged=st.lists(spoofs, max_size=6),
    header=st.sampled_from([b"x-forwarded-for", b"forwarded"]),
    proxied=st.booleans(),
    kind=st.sampled_from([threat.kind for threat in THREATS.values() if threat.points]),
)
async def test_whatever_an_attacker_writes_into_headers_nobody_else_pays_for_it(
    forged: list[tuple[bytes, bytes]], header: bytes, proxied: bool, kind: str
) -> None:
    trusted = (ip_network("10.0.0.0/8"),)
    headers = list(forged)
    if proxied:  # the proxy appends the address that it sees, to the line or as one more
        name = ATTACKER if header == b"x-forwarded-for" else f'for="{ATTACKER}:4711"'
        headers.append((header, name.encode()))
    peer = PROXY if proxied else ATTACKER
    heard = Heard()
    await Penalties(heard, RULES).saw(kind, seen_from(client_address(peer, headers, trusted, header), *headers))
    assert heard.keys == [(RECORD + ATTACKER, RUNNING)]
