"""Raw HTTP: what never becomes a request, and the framing of what does."""

import json
import logging
import socket

import pytest
from prometheus_client import REGISTRY

from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer

PATH = "/api/v1/projects"
INES = "018f0000-0000-7000-8000-000000000001"


def exchange(edge: Edge, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        return received


def problem_in(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"x-request-id: " in head
    problem = json.loads(body)
    assert problem["request_id"].encode() in head
    return int(head.split()[1]), problem["type"].rpartition("/")[2]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x,y\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x/y\r\n\r\n",
        b"GET /api/v1/projects%2Fx HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/projects/..%5c HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/projects/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_a_400_problem(edge: Edge, data: bytes) -> None:
    assert problem_in(exchange(edge, data)) == (400, "malformed-request")


def test_what_is_refused_is_counted_and_has_one_line_with_its_own_ids(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("http_errors_total", {"route": "unmatched", "class": "4xx"}) or 0.0

    before = counted()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    head = f"Host: x\r\nX-Request-Id: mine\r\nTraceparent: 00-{trace}-00f067aa0ba902b7-00\r\n\r\n"
    with caplog.at_level(logging.INFO):
        answer = exchange(edge, b"GET /x%2f.env HTTP/1.1\r\n" + head.encode())
        exchange(edge, b"nonsense\r\n\r\n")
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (problem["request_id"], problem["trace_id"]) == ("mine", trace)
    assert f"x-trace-id: {trace}".encode() in answer
    lines = [record.getMessage() for record in caplog.records if record.name in {"gateway.access", "uvicorn.error"}]
    assert lines == ["GET /x%2f.env 400", "UNKNOWN  400"]
    assert counted() == before + 2


def test_what_is_refused_with_a_whole_head_keeps_its_ids(edge: Edge) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    ids = f"X-Request-Id: mine\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n"
    head, _, body = exchange(edge, f"GET /a%2fb HTTP/1.1\r\nHost: x\r\n{ids}\r\n".encode()).partition(b"\r\n\r\n")
    assert b"\r\nx-request-id: mine\r\n" in head
    assert f"\r\nx-trace-id: {trace}\r\n".encode() in head
    assert (json.loads(body)["request_id"], json.loads(body)["trace_id"]) == ("mine", trace)


def test_headers_over_32_kib_are_a_431_problem_in_one_piece_or_many(edge: Edge) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: x\r\n"
    many = b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1_000) for i in range(40))
    assert problem_in(exchange(edge, head + b"X: " + b"y" * 33_000 + b"\r\n\r\n")) == (431, "headers-too-large")
    assert problem_in(exchange(edge, head + many + b"\r\n")) == (431, "headers-too-large")
    assert problem_in(exchange(edge, b"GET /" + b"y" * 33_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 431


def test_a_head_that_never_ends_is_stopped(edge: Edge) -> None:
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: ")
        sent = 0
        try:
            while sent < 10_000_000:
                connection.sendall(b"y" * 8_192)
                sent += 8_192
        except OSError:
            pass
    assert sent < 10_000_000


def test_a_304_claims_no_length_and_leaves_the_connection_usable(edge: Edge, issuer: StandInIssuer) -> None:
    request = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {issuer.token(INES)}\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), timeout=10) as connection:
        connection.sendall(f"{request}If-None-Match: *\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65_536)
        assert head.startswith(b"HTTP/1.1 304 ")
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length" not in head.lower()
        assert b"transfer-encoding" not in head.lower()
        connection.sendall(f"{request}Connection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_refused_body_is_passed_over_and_the_next_request_is_understood(edge: Edge, issuer: StandInIssuer) -> None:
    head = f"Host: x\r\nAuthorization: Bearer {issuer.token(INES)}\r\n"
    body = b"GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    declared = f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    data = f'POST {PATH} HTTP/1.1\r\n{head}Idempotency-Key: "k"\r\n{declared}\r\n'
    answer = exchange(edge, data.encode() + body + f"GET {PATH} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.startswith(b"HTTP/1.1 415 ")
    assert b"HTTP/1.1 200 " in answer
    assert b"alive" not in answer


def test_http_1_0_is_answered(edge: Edge) -> None:
    assert exchange(edge, b"GET /health HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
