"""What HTTP/2 and HTTP/3 could carry into HTTP/1.1 behind the edge: refused, and no service is reached."""

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from tests.edge.clients import Answer, Fields, Refused, http3
from tests.edge.streams import Streams
from tests.edge.test_smuggling import AT_ONCE, DOORS, REFUSALS, a_bystander, calls, seen_by_the_gateway

from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

PROJECTS = b"/api/v1/projects"
INSIDE = b"GET /no/such/path HTTP/1.1\r\nHost: x\r\nX-Request-Id: HIDDEN\r\n\r\n"


@dataclass(frozen=True)
class Probe:
    """Fields to send as they are, with a body; `own` are those of somebody who is signed in."""

    name: str
    fields: Callable[[Fields], Fields]
    body: bytes = b""


def _head(method: bytes = b"POST", path: bytes = PROJECTS, authority: bytes = b"localhost") -> Fields:
    return [(b":method", method), (b":scheme", b"https"), (b":authority", authority), (b":path", path)]


def _with(*more: tuple[bytes, bytes]) -> Callable[[Fields], Fields]:
    return lambda own: [*_head(), *own, *more]


def _of(head: Fields) -> Callable[[Fields], Fields]:
    return lambda own: [*head, *own]


FIELDS = [
    (b"transfer-encoding", b"chunked"),
    (b"transfer-encoding", b"identity"),
    (b"connection", b"keep-alive"),
    (b"connection", b"content-length"),
    (b"keep-alive", b"5"),
    (b"proxy-connection", b"close"),
    (b"upgrade", b"h2c"),
    (b"te", b"gzip"),
    (b"x", b"a\r\n" + INSIDE),
    (b"x", b"a\nb: c"),
    (b"x", b"a\rb"),
    (b"x", b"a\x00b"),
    (b"x\r\nb", b"c"),
    (b"x: y\r\ntransfer-encoding", b"chunked"),
    (b"x y", b"z"),
    (b"X-Upper", b"z"),
    (b"", b"z"),
    (b":late", b"z"),
    (b":path", b"/health"),
    (b"content-length", b"+2"),
    (b"content-length", b"0x2"),
    (b"content-length", b"2, 2"),
    (b"content-length", b"99999999999999999999999"),
]
REFUSED = (
    [Probe(f"field {name!r}: {value[:12]!r}", _with((name, value)), b"{}") for name, value in FIELDS]
    + [
        Probe(f"length {length!r} of 2", _with((b"content-length", length)), b"{}")
        for length in (b"0", b"1", b"3", b"36")
    ]
    + [
        Probe("two lengths", _with((b"content-length", b"2"), (b"content-length", b"36")), b"{}"),
        Probe("a length and no body", _with((b"content-length", b"36"))),
        Probe("a length of nothing and a request for body", _with((b"content-length", b"0")), INSIDE),
        Probe("many headers", lambda own: [*_head(), *own, *((b"x-%d" % n, b"y") for n in range(10_000))]),
        Probe("large headers", _with((b"x", b"y" * 60_000))),
    ]
    + [
        Probe(f"head {head!r}"[:60], _of(head))
        for head in (
            _head(method=b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET"),
            _head(method=b"G T"),
            _head(method=b""),
            _head(path=b""),
            _head(path=b"api"),
            _head(path=b"/ HTTP/1.1\r\nHost: x\r\n\r\n" + INSIDE),
            _head(path=b"/a b"),
            _head(path=b"/a\rb"),
            _head(path=b"/a%00b"),
            _head(path=b"/a%2fb"),
            _head(path=b"/a%0d%0aX:%20y"),
            _head(authority=b"a\r\nx: y"),
            _head(authority=b"a b"),
            _head(authority=b"a/b"),
            _head(authority=b"a@b"),
            _head()[1:],
            _head()[:1] + _head()[2:],
            _head()[:3],
            [*_head(), (b":method", b"GET")],
            [*_head(), (b":authority", b"b")],
            [*_head(), (b":status", b"200")],
            [(b":method", b"CONNECT"), (b":authority", b"x:443")],
        )
    ]
)
NEXT = _head(method=b"GET", path=b"/no/such/path")
NO_NAME = (b"", b"z")
"""What the client of HTTP/3 cannot even write."""


def signed_in(stack: Stack) -> Fields:
    token = f"Bearer {stack.token('ines')}".encode()
    return [(b"authorization", token), (b"content-type", b"application/json"), (b"idempotency-key", b'"smuggled"')]


def sent(probe: Probe, own: Fields, hidden: str) -> tuple[Fields, bytes]:
    name = hidden.encode()
    return [(k, v.replace(b"HIDDEN", name)) for k, v in probe.fields(own)], probe.body.replace(b"HIDDEN", name)


def assert_refused(probe: Probe, answer: Answer | None) -> None:
    if answer is not None:
        assert answer.status in REFUSALS, f"{probe.name}: {answer}"
        assert answer["content-type"] == "application/problem+json", f"{probe.name}: {answer}"


@pytest.mark.parametrize("door", ["HTTP", "HTTPS"])
def test_http_2_carries_nothing_in(stack: Stack, door: str) -> None:
    before, own, hidden = calls(stack), signed_in(stack), f"hidden-{uuid.uuid4()}"

    def ask(probe: Probe) -> None:
        follow = f"follow-{uuid.uuid4()}"
        with Streams(stack.port + DOORS[door], stack.authority if door == "HTTPS" else None) as connection:
            first = connection.send(*sent(probe, own, hidden))
            then = connection.send([*NEXT, (b"x-request-id", follow.encode())])
            assert_refused(probe, given(connection, first))
            answer = given(connection, then)
            assert answer is None or answer["x-request-id"] == follow, f"{probe.name}: {answer}"

    with a_bystander(stack, door), ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, REFUSED))
    assert calls(stack) == before
    assert hidden not in seen_by_the_gateway(stack)


def given(connection: Streams, stream: int) -> Answer | None:
    try:
        return connection.answer(stream)
    except Refused:
        return None


async def test_http_3_carries_nothing_in(stack: Stack) -> None:
    before, own, hidden = calls(stack), signed_in(stack), f"hidden-{uuid.uuid4()}"

    turns = asyncio.Semaphore(AT_ONCE)

    async def asked(probe: Probe) -> None:
        follow = f"follow-{uuid.uuid4()}"
        async with turns, http3(stack.port + DOORS["HTTPS"], stack.authority) as connection:
            first = connection.send(*sent(probe, own, hidden))
            then = connection.send([*NEXT, (b"x-request-id", follow.encode())])
            answers = await asyncio.gather(first, then, return_exceptions=True)
        for answer in answers:
            assert isinstance(answer, Answer | Refused | ConnectionError), f"{probe.name}: {answer!r}"
        if isinstance(answers[0], Answer):
            assert_refused(probe, answers[0])
        if isinstance(answers[1], Answer):
            assert answers[1]["x-request-id"] == follow, f"{probe.name}: {answers[1]}"

    with a_bystander(stack, "HTTPS"):
        await asyncio.gather(*(asked(probe) for probe in REFUSED if NO_NAME not in probe.fields(own)))
    assert calls(stack) == before
    assert hidden not in seen_by_the_gateway(stack)
