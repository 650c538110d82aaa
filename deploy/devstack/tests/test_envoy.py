import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chassis.embedded.certificates import Authority
from chassis.embedded.ports import free_ports
from chassis.embedded.process import Command, Process
from devstack import envoy
from devstack.loopback import request
from devstack.ports import SPAN, Ports


class Upstream(BaseHTTPRequestHandler):
    """Stands where the gateway stands, and answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(float(self.headers.get("x-test-delay", "0")))
        body = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def base() -> int:
    return free_ports(SPAN)


@pytest.fixture(scope="module")
def edge(base: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A real Envoy before nothing at all, which records every trace as in the local stack; see `upstream`."""
    with running(base, tmp_path_factory.mktemp("envoy"), {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}):
        yield base


@contextmanager
def running(base: int, folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Run Envoy as the stack would with these variables."""
    certificates = Authority(folder / "certificates").issue("envoy").certificate.parent
    file = envoy.write(folder, Ports(base), environment, certificates)
    program = [str(envoy.program()), "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
    admin = f"http://127.0.0.1:{base + 9}/ready"
    command = Command([*program, "--file-flush-interval-msec", "10", "--log-level", "warn"], {"PATH": os.defpath})
    process = Process.started("Envoy", command, folder / "envoy.log", lambda: request("GET", admin)[0] == 200, 60)
    try:
        yield
    finally:
        process.stop()


@pytest.fixture
def upstream(edge: int) -> Iterator[None]:
    with answering(edge):
        yield


@contextmanager
def answering(edge: int) -> Iterator[None]:
    """Stand behind an Envoy."""
    with ThreadingHTTPServer(("127.0.0.1", edge + 1), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield
        server.shutdown()
        thread.join()


def ask(
    edge: int, path: str = "/", method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", edge, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer, json.loads(answer.read())
    finally:
        connection.close()


def raw(edge: int, sent: bytes) -> tuple[str, dict[str, Any]]:
    """The head and the JSON of the answer to bytes that are no proper request."""
    with socket.create_connection(("127.0.0.1", edge), timeout=10) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = json.loads(answer.read())
        return f"http/1.1 {answer.status} x\n{answer.headers}".lower(), body


def assert_problem(head: str, body: dict[str, Any], status: int) -> None:
    assert f" {status} " in head.splitlines()[0]
    assert "content-type: application/problem+json" in head
    assert "x-content-type-options: nosniff" in head
    assert f"\nx-request-id: {body['request_id']}\n" in head
    assert f"\nx-trace-id: {body['trace_id']}\n" in head
    assert re.fullmatch("[0-9a-f]{32}", str(body["trace_id"]))
    assert (body["status"], bool(body["title"]), bool(body["detail"])) == (status, True, True)


def test_without_a_gateway_the_answer_is_a_503_problem_that_says_when_to_return(edge: int) -> None:
    for traceparent in ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "nonsense"):
        answer, body = ask(edge, Traceparent=traceparent)
        assert_problem(f"http/1.1 {answer.status} x\n{answer.headers}".lower(), body, 503)
        assert answer.headers["retry-after"] == "1"
        assert (str(body["trace_id"]) in traceparent) is (traceparent != "nonsense")


def test_a_gateway_that_comes_back_within_the_retries_costs_no_error(edge: int) -> None:
    results: list[int] = []
    asking = threading.Thread(target=lambda: results.append(ask(edge)[0].status))
    before = retries(edge)
    asking.start()
    while retries(edge) == before:  # the first attempt has found nothing
        assert asking.is_alive()
    with ThreadingHTTPServer(("127.0.0.1", edge + 1), Upstream) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        asking.join()
        server.shutdown()
        serving.join()
    assert results == [200]


def retries(edge: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", edge + 9, timeout=10)
    try:
        connection.request("GET", "/stats?filter=cluster.gateway.upstream_rq_retry$")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\nTraceparent: nonsense\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: x\r\nTraceparent: nonsense\r\nX-Request-Id: mine\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", 426),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nX-Request-Id: mine\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: a\r\n" * 150 + b"\r\n", 431),
    ],
)
def test_what_is_no_proper_request_is_refused_with_a_problem(edge: int, sent: bytes, status: int) -> None:
    assert_problem(*raw(edge, sent), status)


def test_a_request_keeps_its_id_and_gets_one_if_it_has_none(edge: int, upstream: None) -> None:
    answer, body = ask(edge, X_Request_Id="mine")
    assert answer.headers["x-request-id"] == "mine"
    assert body["headers"]["x-request-id"] == "mine"
    answer, body = ask(edge)
    assert re.fullmatch("[0-9a-f-]{36}", answer.headers["x-request-id"])
    assert body["headers"]["x-request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(("ratio", "least", "most"), [("0", 0, 0), ("0.2", 10, 80), ("1", 200, 200)])
def test_so_many_of_the_traces_that_begin_here_are_recorded_and_others_as_their_callers_say(
    tmp_path: Path, ratio: str, least: int, most: int
) -> None:
    base = free_ports(SPAN)
    told = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    with running(base, tmp_path, told), answering(base):
        begun = [ask(base)[1]["headers"]["traceparent"] for _ in range(200)]
        for flags in ("00", "01"):
            _, body = ask(base, traceparent=f"00-{TRACE}-{SPAN_ID}-{flags}")
            assert body["headers"]["traceparent"].endswith(f"-{flags}")
    # The chance of another outcome is below one in a million.
    assert least <= sum(traceparent.endswith("-01") for traceparent in begun) <= most


def test_a_request_id_that_is_none_is_replaced(edge: int, upstream: None) -> None:
    for given in ('evil"\\ password=1', "x" * 129, "a b", "\u00e9"):
        answer, body = ask(edge, x_request_id=given)
        assert re.fullmatch("[0-9a-f-]{36}", answer.headers["x-request-id"]), given
        assert body["headers"]["x-request-id"] == answer.headers["x-request-id"]
    answer, body = ask(edge, x_request_id="x" * 128)
    assert answer.headers["x-request-id"] == body["headers"]["x-request-id"] == "x" * 128


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", 403),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n", 404),
    ],
)
@pytest.mark.parametrize("more", [b"", b"X-Request-Id: mine\r\n"])
def test_what_is_refused_before_it_is_routed_is_a_problem_with_ids(
    edge: int, upstream: None, sent: bytes, status: int, more: bytes
) -> None:
    head, body = raw(edge, sent + more + b"\r\n")
    assert_problem(head, body, status)
    assert not more or body["request_id"] == "mine"


def test_a_trace_begins_here_or_goes_on(edge: int, upstream: None) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    answer, body = ask(edge, Traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert answer.headers["x-trace-id"] == trace
    assert body["headers"]["traceparent"].startswith(f"00-{trace}-")
    answer, body = ask(edge, X_Request_Id="no uuid")
    assert body["headers"]["traceparent"].startswith(f"00-{answer.headers['x-trace-id']}-")
    assert body["headers"]["traceparent"].endswith("-01")


TRACE, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    "given", [f" 00-{TRACE}-{SPAN_ID}-01 ", f"cc-{TRACE}-{SPAN_ID}-01", f"cc-{TRACE}-{SPAN_ID}-01-what-comes-later"]
)
def test_a_traceparent_is_understood_as_far_as_its_version_lets(edge: int, upstream: None, given: str) -> None:
    answer, body = ask(edge, Traceparent=given, Tracestate="a=b")
    assert answer.headers["x-trace-id"] == TRACE
    assert re.fullmatch(f"00-{TRACE}-(?!{SPAN_ID})[0-9a-f]{{16}}-01", body["headers"]["traceparent"])
    assert body["headers"]["tracestate"] == "a=b"


@pytest.mark.parametrize(
    "given",
    [
        f"ff-{TRACE}-{SPAN_ID}-01",
        f"00-{TRACE.upper()}-{SPAN_ID}-01",
        f"00-{TRACE}-{SPAN_ID.upper()}-01",
        f"00-{TRACE}-{SPAN_ID}-0A",
        f"00-{TRACE}-{SPAN_ID}-01-more",
        f"cc-{TRACE}-{SPAN_ID}-01more",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN_ID}-01, 00-{TRACE}-{SPAN_ID}-01",
        "nonsense",
    ],
)
def test_a_traceparent_that_breaks_its_rules_is_ignored_and_a_trace_begins(
    edge: int, upstream: None, given: str
) -> None:
    answer, body = ask(edge, Traceparent=given, Tracestate="a=b", X_Edge_Traceparent=f"00-{TRACE}-{SPAN_ID}-01")
    begun = answer.headers["x-trace-id"]
    assert re.fullmatch("[0-9a-f]{32}", begun)
    assert begun != TRACE
    assert body["headers"]["traceparent"].startswith(f"00-{begun}-")
    assert body["headers"]["tracestate"] == ""
    assert "x-edge-traceparent" not in body["headers"]


def test_the_callers_address_is_appended_to_what_it_claims(edge: int, upstream: None) -> None:
    _, body = ask(edge, X_Forwarded_For="203.0.113.9")
    claimed, _, added = body["headers"]["x-forwarded-for"].partition(",")
    assert claimed == "203.0.113.9"
    assert added


def test_nobody_outside_steers_timeouts_and_retries(edge: int, upstream: None) -> None:
    answer, body = ask(edge, X_Envoy_Upstream_Rq_Timeout_Ms="1", X_Test_Delay="0.05")
    assert answer.status == 200
    assert "x-envoy-upstream-rq-timeout-ms" not in body["headers"]
    assert not [name for name in answer.headers if name.startswith("x-envoy")]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [("/a/../b", "/b"), ("/a//b", "/a//b"), ("/a%2fb", "/a%2fb"), ("/a?q=../x", "/a?q=../x")],
)
def test_paths_are_resolved_but_never_merged_or_unescaped(edge: int, upstream: None, sent: str, arrives: str) -> None:
    assert ask(edge, sent)[1]["path"] == arrives


def test_two_envoys_cannot_share_a_port(edge: int, tmp_path: Path) -> None:
    certificates = Authority(tmp_path / "certificates").issue("envoy").certificate.parent
    file = envoy.write(tmp_path, Ports(edge), {}, certificates)
    file.write_text(file.read_text().replace(f"port_value: {edge + 9}", "port_value: 0"))
    command = [envoy.program(), "-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Address already in use" in done.stderr
