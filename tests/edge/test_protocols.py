"""The same answers over HTTP/1.1, HTTP/2 and HTTP/3."""

import asyncio
import json
import socket
import ssl
import uuid
import warnings
from typing import Any

import pytest
from tests.edge.clients import VERSIONS, Answer, Fields, client, http3

from devstack.ports import addresses
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT_ONCE = 100
OF_THE_HOP = {"connection", "keep-alive", "transfer-encoding", "alt-svc"}
OF_THE_MOMENT = {"date", "ratelimit", "x-ratelimit-remaining", "x-ratelimit-reset", "age", "cache-status"}
OF_ITS_ARRIVAL = "0" * 13
"""So begins what stands for a trace's id where there was no request yet: the rest is the time."""
JSON = (b"Content-Type", b"application/json")
KEY = (b"Idempotency-Key", b'"the-same-for-all"')
PROJECTS = "/api/v1/projects"

ANYBODY: list[tuple[str, str, Fields, bytes]] = [
    ("GET", "/health", (), b""),
    ("GET", "/no/such/path", (), b""),
    ("GET", PROJECTS, (), b""),
    ("GET", "/api/v1/status", (), b""),
    ("HEAD", "/openapi.json", (), b""),
    ("OPTIONS", PROJECTS, [(b"Origin", b"https://x.example"), (b"Access-Control-Request-Method", b"POST")], b""),
    # Envoy's own refusal, and one that the gateway gives before there is a request.
    ("GET", "/%00", (), b""),
    ("GET", "/a%2fb", (), b""),
]
SIGNED_IN: list[tuple[str, str, Fields, bytes]] = [
    ("GET", f"{PROJECTS}?page_size=2", (), b""),
    ("GET", f"{PROJECTS}?page_size=0", (), b""),
    ("HEAD", PROJECTS, (), b""),
    ("DELETE", PROJECTS, (), b""),
    ("GET", f"{PROJECTS}/018f0000-0000-7000-8000-00000000ffff", (), b""),
    ("POST", PROJECTS, (), b"{}"),
    ("POST", PROJECTS, [JSON], b"{}"),
    ("POST", PROJECTS, [JSON, KEY], b"{"),
    ("POST", PROJECTS, [JSON, KEY], b'{"name": 7}'),
    ("POST", PROJECTS, [JSON, KEY], b'{"name": "' + b"y" * 2_000_000 + b'"}'),
]


def comparable(answer: Answer) -> tuple[int, dict[str, str], Any]:
    fields = {name: value for name, value in answer.fields if name not in OF_THE_HOP | OF_THE_MOMENT}
    body: Any = answer.body
    if "json" in answer["content-type"] and answer.body:
        body = json.loads(answer.body)
        assert body.get("request_id", answer["x-request-id"]) == answer["x-request-id"]
        assert body.get("trace_id", answer["x-trace-id"]) == answer["x-trace-id"]
    if answer["x-trace-id"].startswith(OF_ITS_ARRIVAL):
        assert fields.pop("x-trace-id") == body.pop("trace_id")
    if answer.status >= 400:
        assert answer["content-type"] == "application/problem+json"
    return answer.status, fields, body


async def asked(stack: Stack, version: str, method: str, path: str, fields: Fields, body: bytes) -> Answer:
    ids = [(b"X-Request-Id", b"the-same"), (b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())]
    async with client(version, stack.port + 40, stack.authority) as connection:
        answer = await connection.ask(method, path, [*ids, *fields], body)
    assert answer.version == version
    return answer


@pytest.mark.parametrize(
    ("method", "path", "fields", "body"), ANYBODY + SIGNED_IN, ids=lambda given: str(given)[:60].replace("/", "_")
)
async def test_an_answer_is_the_same_over_every_version_of_http(
    stack: Stack, method: str, path: str, fields: Fields, body: bytes
) -> None:
    if (method, path, fields, body) in SIGNED_IN:
        fields = [*fields, (b"Authorization", f"Bearer {stack.token('ines')}".encode())]
    first, *others = [comparable(await asked(stack, version, method, path, fields, body)) for version in VERSIONS]
    for other in others:
        assert other == first


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_did_not_change_is_not_sent_again(stack: Stack, version: str) -> None:
    token = (b"Authorization", f"Bearer {stack.token('tomas')}".encode())
    first = await asked(stack, version, "GET", PROJECTS, [token], b"")
    again = await asked(stack, version, "GET", PROJECTS, [token, (b"If-None-Match", first["etag"].encode())], b"")
    assert (first.status, again.status, again.body) == (200, 304, b"")
    assert again["etag"] == first["etag"]


@pytest.mark.parametrize("version", ["HTTP/2", "HTTP/3"])
async def test_a_hundred_requests_at_once_on_one_connection_get_each_its_own_answer(stack: Stack, version: str) -> None:
    ids = [f"stream-{uuid.uuid4()}" for _ in range(AT_ONCE)]
    async with client(version, stack.port + 40, stack.authority) as connection:
        answers = await asyncio.gather(
            *(connection.ask("GET", f"/no/such/{name}", [(b"X-Request-Id", name.encode())]) for name in ids)
        )
    assert [answer["x-request-id"] for answer in answers] == ids
    assert [json.loads(answer.body)["request_id"] for answer in answers] == ids
    assert {answer.status for answer in answers} == {404}


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_a_client_that_came_by_tcp_is_told_of_http_3(stack: Stack, version: str) -> None:
    assert (await asked(stack, version, "GET", "/health", (), b""))["alt-svc"] == f'h3=":{stack.port + 40}"; ma=86400'


def test_without_tls_there_is_no_talk_of_http_3(stack: Stack) -> None:
    with stack.client(None) as anybody:
        assert "alt-svc" not in anybody.get("/health").headers


@pytest.mark.parametrize("address", addresses())
async def test_the_edge_is_reached_by_every_family_of_addresses_that_is_here(stack: Stack, address: str) -> None:
    for port in (stack.port, stack.port + 40):
        with socket.create_connection((address, port), 60):
            pass
    async with http3(stack.port + 40, stack.authority, address) as connection:
        assert (await connection.ask("GET", "/health")).status == 200


@pytest.mark.parametrize(
    ("version", "spoken"),
    [
        (ssl.TLSVersion.TLSv1, None),
        (ssl.TLSVersion.TLSv1_1, None),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
def test_tls_is_spoken_from_1_2_on(stack: Stack, version: ssl.TLSVersion, spoken: str | None) -> None:
    trust = ssl.create_default_context(cafile=stack.authority)
    trust.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that these versions are old is the point
        trust.minimum_version = ssl.TLSVersion.TLSv1
        trust.maximum_version = version
    with socket.create_connection(("127.0.0.1", stack.port + 40), 60) as connection:
        if spoken is None:
            with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
                trust.wrap_socket(connection, server_hostname="localhost")
        else:
            with trust.wrap_socket(connection, server_hostname="localhost") as secure:
                assert secure.version() == spoken
