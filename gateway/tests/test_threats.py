"""What counts as a threat, of which kind, and once: whatever else is wrong with the request."""

import itertools
import socket
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.testing.waiting import wait_for
from chassis.threats import threats
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.threats import AUTH, GATEWAY, THREATS, may_be_led, of_path, table

PATH = "/api/v1/projects"
JSON = {"Content-Type": "application/json"}


def counted() -> dict[str, float]:
    """How many threats of each kind were counted."""
    return {kind: REGISTRY.get_sample_value("threats_total", {"kind": kind}) or 0.0 for kind in THREATS}


@pytest.fixture
def seen() -> Callable[[], dict[str, float]]:
    """Tell the threats that were counted since the test began."""
    before = counted()
    return lambda: {kind: n - before[kind] for kind, n in counted().items() if n != before[kind]}


def sent(edge: Edge, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=60) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        return received


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/shadow",
        "/a/..",
        "/%2e%2e/x",
        "/%2E./x",
        "/a/%252e%252e/b",
        "/a/%25252e./b",
        "/..;/manager",
        "/a%252fb",
        "/a%255cb",
        "/a\\b",
        "/%c0%ae%c0%ae/x",
        "/%e0%80%ae%e0%80%ae/x",
        "/..%f0%80%81%9cx",
        "/static/etc/passwd",
        "/index.php/../../x",
    ],
)
def test_paths_that_lead_upwards_however_they_are_written_are_traversal(path: str) -> None:
    assert of_path(path.encode()) == "traversal"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/.env", "scanner_path"),
        ("/%2eenv", "scanner_path"),
        ("/wp-login.php?next=..%2f", "scanner_path"),
        ("/.git/config", "scanner_path"),
        ("/backup.sql", "scanner_path"),
        ("/cgi-bin/x", "scanner_path"),
        ("/api/v1/status/environment", None),
        ("/api/v1/project", None),
        ("/api/v1/projects/a..b", None),
        ("/api/v1/projects/...", None),
        ("/nothing%20here", None),
        ("/?next=../../", None),
        ("/100%", None),
        ("/%e4%bd%a0", None),
    ],
)
def test_other_paths_without_a_route_are_what_scanners_ask_for_or_honest_mistakes(path: str, kind: str | None) -> None:
    assert of_path(path.encode()) == kind


@pytest.mark.parametrize(
    ("request_line", "kind"),
    [
        (b"GET /.env HTTP/1.1", "scanner_path"),
        (b"GET /x/../../.env HTTP/1.1", "traversal"),
        (b"GET /x/%2e%2e/y HTTP/1.1", "traversal"),
        (b"GET /x%2fy HTTP/1.1", "traversal"),
        (b"GET /api/v1/projects/..%5c HTTP/1.1", "traversal"),
        (b"GET /api/v1/projects/%00 HTTP/1.1", "traversal"),
        (b"GET /x%252fy HTTP/1.1", "traversal"),
        (
            b"GET " + PATH.encode() + b" HTTP/1.1\r\nAuthorization: Bearer x\r\nAuthorization: Bearer y",
            "malformed_token",
        ),
        (b"GET /nothing HTTP/1.1\r\nTransfer-Encoding: gzip, chunked", "smuggling"),
        (b"POST /nothing HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked", "smuggling"),
        (b"POST /nothing HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2", "smuggling"),
        (b"GET /.env HTTP/1.1\r\nHost: other", "smuggling"),
        (b"GET /nothing HTTP/1.1\r\nX: a\x00b", "smuggling"),
        (b"GET /nothing HTTP/1.1\r\nBad Header: y", "smuggling"),
        (b"GET /nothing HTTP/1.1\r\nX: " + b"x" * 40_000, "oversized"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.1", "oversized"),
        (b"GET /.env HTTP/9.9", None),
        (b"nonsense", None),
        (b"GET /nothing HTTP/1.1", None),
        (b"OPTIONS /.env HTTP/1.1\r\nOrigin: https://elsewhere.example", None),
        (b"OPTIONS /.env HTTP/1.1", None),
    ],
)
def test_each_request_is_one_threat_or_none(
    edge: Edge, seen: Callable[[], dict[str, float]], request_line: bytes, kind: str | None
) -> None:
    answer = sent(edge, request_line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4") or b"OPTIONS" in request_line
    expected = {kind: 1.0} if kind else {}
    # What never became a request is counted when its answer has left.
    wait_for(lambda: seen() == expected, 60, what=f"{expected}, not {seen()}")


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("not a token", "malformed_token"),
        ("a.b.c", "malformed_token"),
        ("eyJhbGciOiJub25lIn0.e30.", "forged_token"),
        ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "forged_token"),
    ],
)
def test_tokens_that_no_honest_client_sends_are_one_threat_each(
    client: httpx.Client, seen: Callable[[], dict[str, float]], token: str, kind: str
) -> None:
    assert client.get(PATH, headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert seen() == {kind: 1.0}


def test_a_token_with_a_wrong_signature_is_forged(
    client: httpx.Client, issuer: StandInIssuer, seen: Callable[[], dict[str, float]]
) -> None:
    signed, _, signature = issuer.token("018f0000-0000-7000-8000-000000000001").rpartition(".")
    forged = f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    assert client.get(PATH, headers={"Authorization": f"Bearer {forged}"}).status_code == 401
    assert seen() == {"forged_token": 1.0}


def test_an_expired_token_and_none_at_all_are_no_threats(
    client: httpx.Client, issuer: StandInIssuer, seen: Callable[[], dict[str, float]]
) -> None:
    expired = issuer.token("018f0000-0000-7000-8000-000000000001", exp=1)
    assert client.get(PATH, headers={"Authorization": f"Bearer {expired}"}).status_code == 401
    assert client.get(PATH).status_code == 401
    assert seen() == {}


def test_a_bad_token_is_counted_also_where_the_quota_is_used_up(
    client: httpx.Client, seen: Callable[[], dict[str, float]]
) -> None:
    statuses = [client.get(PATH, headers={"Authorization": "Bearer x"}).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert seen() == {"malformed_token": 12.0}


def test_a_body_beyond_its_bound_is_one_threat(ines: httpx.Client, seen: Callable[[], dict[str, float]]) -> None:
    keyed = {**JSON, "Idempotency-Key": '"large"'}
    assert ines.post(PATH, content=b"x" * (1024 * 1024 + 1), headers=keyed).status_code == 413
    assert seen() == {"oversized": 1.0}


def test_of_two_things_that_are_wrong_the_one_that_is_answered_counts(
    client: httpx.Client, seen: Callable[[], dict[str, float]]
) -> None:
    headers = {**JSON, "Authorization": "Bearer x", "Idempotency-Key": '"large"'}
    assert client.post(PATH, content=b"x" * (1024 * 1024 + 1), headers=headers).status_code == 401
    assert seen() == {"malformed_token": 1.0}


@pytest.mark.parametrize(
    ("name", "led"),
    [
        (b"sec-fetch-site", True),
        (b"sec-fetch-mode", True),
        (b"origin", True),
        (b"referer", True),
        (b"user-agent", False),
        (b"accept", False),
    ],
)
def test_what_a_browser_may_have_been_led_to_send_is_known_by_its_headers(name: bytes, led: bool) -> None:
    assert may_be_led([(b"host", b"x"), (name, b"y")]) is led


def test_the_table_has_every_kind_that_is_counted_anywhere() -> None:
    told = {sample.labels["kind"] for metric in threats.collect() for sample in metric.samples}
    assert told == {kind for kind, threat in THREATS.items() if threat.counted_by == GATEWAY} | (
        told & {kind for kind, threat in THREATS.items() if threat.counted_by == AUTH}
    )
    assert all(f"`{kind}`" in table() for kind in THREATS)
    assert len(list(itertools.dropwhile(lambda line: "|---" not in line, table().splitlines()))) == len(THREATS) + 1
