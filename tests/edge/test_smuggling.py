"""What could be read in two ways is refused, or read in one: nobody gets another's answer, no service is reached."""

import re
import socket
import ssl
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

import httpx
import pytest
from tests.edge.probes import REFUSED, UNDERSTOOD, Probe

from chassis.testing.waiting import wait_for
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

PATIENCE_S = 60
AT_ONCE = 16
DOORS = {"HTTP": 0, "HTTPS": 40, "the gateway alone": 1}
"""What is tried, and its port behind the stack's first."""
REFUSALS = {400, 404, 408, 413, 414, 426, 431, 501, 505}
OPERATIONS = 20
"""The port of the metrics of the service of projects, behind the stack's first."""


@dataclass(frozen=True)
class Outcome:
    """What came of a probe: for each answer its status, media type and id."""

    probe: Probe
    carrier: str
    hidden: str
    answers: Sequence[tuple[int, str, str]]


@pytest.fixture(scope="module", params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connected(stack: Stack, door: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", stack.port + DOORS[door]), PATIENCE_S)
    if door != "HTTPS":
        return connection
    trust = ssl.create_default_context(cafile=stack.authority)
    return trust.wrap_socket(connection, server_hostname="localhost")


def tried(stack: Stack, door: str, probe: Probe, token: str) -> Outcome:
    """Send a probe, and read until the other side closes, as it does when it refuses, or is asked to by what hides."""
    carrier, hidden = (f"{name}-{uuid.uuid4()}" for name in ("carrier", "hidden"))
    lines = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f'"{carrier}"',
        "X-Request-Id": carrier,
    }
    who = "\r\n".join(f"{name}: {value}" for name, value in lines.items()).encode()
    inside = f"GET /no/such/path HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: {hidden}\r\n\r\n".encode()
    received = b""
    with connected(stack, door) as connection:
        try:
            connection.sendall(probe.sent(who, inside))
            while more := connection.recv(65_536):
                received += more
        except ConnectionError:
            pass  # closed while there was more to send, or to read
    return Outcome(probe, carrier, hidden, list(answers_in(received)))


def answers_in(received: bytes) -> Iterator[tuple[int, str, str]]:
    for head in re.findall(rb"HTTP/1\.1 \d{3} .*?\r\n\r\n", received, re.DOTALL):
        first, *lines = head.decode("latin-1").lower().strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        yield int(first.split()[1]), headers.get("content-type", ""), headers.get("x-request-id", "")


@contextmanager
def a_bystander(stack: Stack, door: str) -> Iterator[None]:
    """Somebody who asks all the while, over connections that others use too, and gets the answers to what it asked."""
    over, wrong, asked = Event(), list[str](), list[str]()

    def ask() -> None:
        scheme = "https" if door == "HTTPS" else "http"
        trust = ssl.create_default_context(cafile=stack.authority)
        with httpx.Client(base_url=f"{scheme}://localhost:{stack.port + DOORS[door]}", verify=trust) as client:
            while not over.is_set():
                asked.append(f"bystander-{uuid.uuid4()}")
                answer = client.get(f"/no/such/{asked[-1]}", headers={"X-Request-Id": asked[-1]}, timeout=PATIENCE_S)
                if not (answer.status_code == 404 and answer.json()["request_id"] == asked[-1]):
                    wrong.append(f"{asked[-1]}: {answer.status_code} {answer.text}")

    thread = Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert asked
    assert not wrong


def all_tried(stack: Stack, door: str, probes: Sequence[Probe]) -> list[Outcome]:
    token = stack.token("ines")
    with a_bystander(stack, door), ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda probe: tried(stack, door, probe, token), probes))


def calls(stack: Stack) -> float:
    """How many calls of its own the service of projects has had."""
    page = httpx.get(f"http://127.0.0.1:{stack.port + OPERATIONS}/metrics").text
    counted = re.findall(r'^rpc_server_duration_seconds_count\{.*"/neoforge\.projects\..*\} (\S+)$', page, re.MULTILINE)
    return sum(map(float, counted))


def seen_by_the_gateway(stack: Stack) -> str:
    """Give its log so far, and so much that what was sent before this is in it."""
    last = f"last-{uuid.uuid4()}"
    httpx.get(f"http://127.0.0.1:{stack.port + 1}/no/such/path", headers={"X-Request-Id": last})
    wait_for(lambda: last in stack.logs("gateway"), PATIENCE_S, what="the gateway's line")
    return stack.logs("gateway")


def test_what_could_be_read_in_two_ways_is_refused_and_reaches_no_service(stack: Stack, door: str) -> None:
    before = calls(stack)
    outcomes = all_tried(stack, door, REFUSED)
    assert calls(stack) == before
    log = seen_by_the_gateway(stack)
    for outcome in outcomes:
        said, told = outcome.answers, f"{outcome.probe.name}: {outcome.answers}"
        assert len(said) <= 1 + (not outcome.probe.hides), told
        if said:
            assert said[0][0] in REFUSALS, told
            assert said[0][1] == "application/problem+json", told
            assert said[0][2] != outcome.hidden, told
        if said[1:]:
            assert said[1][0::2] == (404, outcome.hidden), told
        assert (outcome.hidden in log) is bool(said[1:]), told


def test_what_can_be_forgiven_is_read_in_one_way(stack: Stack, door: str) -> None:
    for outcome in all_tried(stack, door, UNDERSTOOD):
        said, told = outcome.answers, f"{outcome.probe.name}: {outcome.answers}"
        assert len(said) in {1, 2}, told
        if len(said) == 1:
            assert said[0][0] in REFUSALS, told
        else:
            assert said[0][2] == outcome.carrier, told
            assert said[1][0::2] == (404, outcome.hidden), told


@pytest.mark.parametrize("size", [1, 7, 64])
def test_requests_in_a_row_that_come_in_pieces_are_answered_in_their_order(stack: Stack, door: str, size: int) -> None:
    ids = [f"piece-{uuid.uuid4()}" for _ in range(3)]
    bodies = [b"5\r\nfirst\r\n0\r\n\r\n", b"", b"{}"]
    framing = ["Transfer-Encoding: chunked", "Content-Length: 0", "Content-Length: 2\r\nConnection: close"]
    said = f"Authorization: Bearer {stack.token('mara')}\r\nContent-Type: application/json\r\n"
    sent = b"".join(
        # All are refused for their bodies, once these are read; after an earlier answer Envoy would end the connection.
        f"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\n"
        f'Idempotency-Key: "{name}"\r\n{said}{lines}\r\n\r\n'.encode()
        + body
        for name, lines, body in zip(ids, framing, bodies, strict=True)
    )
    with connected(stack, door) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        received = b""
        while more := connection.recv(65_536):
            received += more
    answers = list(answers_in(received))
    assert [name for _, _, name in answers] == ids, answers
