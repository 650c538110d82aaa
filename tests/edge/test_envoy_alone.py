"""Envoy between a client and a stand-in for the gateway: what it passes on whole, gives back, and reads again."""

import hashlib
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest
from cryptography import x509
from tests.edge.clients import VERSIONS, Refused, client, http3
from tests.edge.standin import PATIENCE_S, Edge, a_gateway, running
from tests.edge.streams import Streams

from chassis.testing.waiting import until, wait_for

SHORTENED = {
    "request_headers_timeout: 10s": "request_headers_timeout: 1s",
    "request_timeout: 60s": "request_timeout: 1s",
    "transport_socket_connect_timeout: 10s": "transport_socket_connect_timeout: 1s",
    "idle_timeout: 300s": "idle_timeout: 1s",
}
MOST = 3
BODY = b"0123456789" * 500_000
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running(tmp_path_factory.mktemp("edge"), {}) as edge:
        yield edge


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """One that has much less patience."""
    with running(tmp_path_factory.mktemp("hasty"), SHORTENED) as edge:
        yield edge


@pytest.fixture(scope="module")
def gateway(edge: Edge) -> Iterator[None]:
    with a_gateway(edge):
        yield


def secured(edge: Edge) -> ssl.SSLSocket:
    trust = ssl.create_default_context(cafile=edge.authority)
    connection = socket.create_connection(("127.0.0.1", edge.ports.edge_tls), PATIENCE_S)
    return trust.wrap_socket(connection, server_hostname="localhost")


def rest(connection: socket.socket) -> bytes:
    """Give what comes until the other side closes."""
    received = b""
    while more := connection.recv(65_536):
        received += more
    return received


# --- before there is a gateway ----------------------------------------------------------------------------------------


async def test_its_own_refusal_is_the_same_over_every_version_of_http(edge: Edge) -> None:
    trace, answers = "4bf92f3577b34da6a3ce929d0e0e4736", []
    fields = [(b"X-Request-Id", b"the-same"), (b"traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())]
    for version in VERSIONS:
        async with client(version, edge.ports.edge_tls, edge.authority) as connection:
            answers.append(await connection.ask("GET", "/", fields))
    for answer in answers:
        problem = json.loads(answer.body)
        assert (answer.status, answer["content-type"]) == (503, "application/problem+json")
        assert (answer["retry-after"], answer["x-request-id"], answer["x-trace-id"]) == ("1", "the-same", trace)
        assert (problem["request_id"], problem["trace_id"]) == ("the-same", trace)
        assert problem == json.loads(answers[0].body)


async def test_a_gateway_that_cannot_be_reached_is_noticed_and_the_only_one_is_tried_again(hasty: Edge) -> None:
    outliers = "cluster.gateway.outlier_detection"
    async with client("HTTP/1.1", hasty.ports.edge_tls, hasty.authority) as connection:
        assert (await connection.ask("GET", "/1")).status == 503
        noticed = f"{outliers}.ejections_detected_consecutive_local_origin_failure"
        wait_for(lambda: hasty.statistic(noticed), PATIENCE_S, what="that it is noticed")
        assert hasty.statistic(f"{outliers}.ejections_active") == 0
        with a_gateway(hasty):
            assert (await connection.ask("GET", "/1")).body == b"y"


# --- with one ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_large_bodies_go_both_ways_whole(edge: Edge, gateway: None, version: str) -> None:
    async with client(version, edge.ports.edge_tls, edge.authority) as connection:
        sent = await connection.ask("POST", "/", (), BODY)
        received = await connection.ask("GET", f"/{len(BODY)}")
    assert json.loads(sent.body) == [len(BODY), hashlib.sha256(BODY).hexdigest()]
    assert received.body == b"y" * len(BODY)


@pytest.mark.parametrize("fields", [[(b"x-%d" % n, b"y") for n in range(120)], [(b"x-large", b"y" * 40_000)]])
@pytest.mark.parametrize("version", ["HTTP/2", "HTTP/3"])
async def test_a_head_that_is_too_large_ends_its_stream_or_its_connection(
    edge: Edge, gateway: None, version: str, fields: list[tuple[bytes, bytes]]
) -> None:
    async with client(version, edge.ports.edge_tls, edge.authority) as connection:
        assert (await connection.ask("GET", "/1")).body == b"y"
        with pytest.raises((Refused, httpx.RemoteProtocolError)):
            await connection.ask("GET", "/1", fields)
    async with client(version, edge.ports.edge_tls, edge.authority) as another:
        assert (await another.ask("GET", "/2")).body == b"yy"


async def test_a_certificate_that_is_replaced_is_shown_without_a_restart(edge: Edge, gateway: None) -> None:
    def shown() -> int:
        with secured(edge) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"").serial_number

    async def shown_by_quic() -> int:
        async with http3(edge.ports.edge_tls, edge.authority) as connection:
            return connection.certificate.serial_number

    first, following = shown(), edge.following()
    with secured(edge) as old:
        edge.replace("tls.key")
        wait_for(lambda: edge.statistic("sds.edge.key_rotation_failed"), PATIENCE_S, what="the key's refusal")
        assert (shown(), await shown_by_quic()) == (first, first)
        edge.replace("tls.crt")
        wait_for(lambda: shown() == following, PATIENCE_S, what="the certificate")

        async def follows() -> bool:
            return await shown_by_quic() == following

        await until(follows, PATIENCE_S)
        old.sendall(b"GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert rest(old).endswith(b"\r\n\r\nyyy")


# --- clients that are slow, and too many ------------------------------------------------------------------------------


UNFINISHED = {
    b"": b"",  # nobody waits for an answer to nothing
    HEAD[:20]: b"408",
    HEAD + b"X: ": b"408",
    HEAD + b"Content-Length: 5\r\n\r\n1": b"408",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n1": b"408",
}


@pytest.mark.parametrize("secure", [False, True])
def test_a_client_that_does_not_finish_gives_its_place_back(hasty: Edge, secure: bool) -> None:
    def status_of(sent: bytes) -> bytes:
        plain = ("127.0.0.1", hasty.ports.edge)
        with secured(hasty) if secure else socket.create_connection(plain, PATIENCE_S) as connection:
            connection.sendall(sent)
            return rest(connection)[9:12]

    with a_gateway(hasty), ThreadPoolExecutor(len(UNFINISHED)) as pool:
        assert dict(zip(UNFINISHED, pool.map(status_of, UNFINISHED), strict=True)) == UNFINISHED


def test_a_client_that_says_nothing_where_tls_is_spoken_gives_its_place_back(hasty: Edge) -> None:
    with socket.create_connection(("127.0.0.1", hasty.ports.edge_tls), PATIENCE_S) as connection:
        connection.sendall(b"\x16\x03\x01")
        assert rest(connection) == b""


@pytest.mark.parametrize("version", ["HTTP/2", "HTTP/3"])
async def test_a_stream_whose_body_does_not_end_is_ended(hasty: Edge, version: str) -> None:
    own = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"x"), (b":path", b"/")]
    with a_gateway(hasty):
        if version == "HTTP/3":
            async with http3(hasty.ports.edge_tls, hasty.authority) as quic:
                assert (await quic.send(own, b"1", ended=False)).status == 408
        else:
            with Streams(hasty.ports.edge) as two:
                assert two.answer(two.send(own, b"1", ended=False)).status == 408


def test_more_connections_than_there_may_be_are_closed_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    bound = {"max_active_downstream_connections: 4096": f"max_active_downstream_connections: {MOST}"}
    with running(tmp_path_factory.mktemp("bounded"), bound) as edge, a_gateway(edge):
        places = [socket.create_connection(("127.0.0.1", edge.ports.edge), PATIENCE_S) for _ in range(MOST)]
        wait_for(lambda: edge.statistic("http.edge.downstream_cx_active") == MOST, PATIENCE_S, what="that all are in")
        another = socket.create_connection(("127.0.0.1", edge.ports.edge), PATIENCE_S)
        with another, suppress(ConnectionResetError):
            assert another.recv(1) == b""
        for place in places:
            place.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert rest(place).endswith(b"\r\n\r\ny")
            place.close()
