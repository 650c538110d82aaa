"""What the edge refuses by itself, because the gateway says that it refuses too much."""

import http.client
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chassis.embedded.ports import free_ports
from chassis.embedded.process import Command, Process
from chassis.testing.waiting import wait_for
from devstack import envoy
from devstack.loopback import request
from devstack.ports import SPAN, Ports
from gateway.overload import ADMIT_RATIO
from gateway.problem_types import TYPES

OVERLOADED = TYPES["OVERLOADED"]
SILENCE_S = 1.0
"""What was said longer ago than this is forgotten."""


@dataclass
class Edge:
    """A real Envoy, and what stands where the gateway stands: overloaded until it is `calm`."""

    base: int
    calm: bool = False
    ratio: str = "0.01"
    calm_of_ten: int = 0
    asked: int = 0

    def ask(self, method: str = "GET", path: str = "/api/v1/projects?page_size=20", **headers: str) -> "Answer":
        connection = http.client.HTTPConnection("127.0.0.1", self.base, timeout=60)
        try:
            body = b"0\r\n\r\n" if "Transfer-Encoding" in headers else None
            connection.request(method, path, body, headers={"X-Request-Id": "mine", **headers})
            answer = connection.getresponse()
            content = answer.read()
            return Answer(answer.status, answer.headers, json.loads(content) if content else {})
        finally:
            connection.close()

    def refuses(self) -> "Answer":
        """Ask until Envoy refuses by itself, and give that answer."""

        def own() -> "Answer | None":
            answer = self.ask()
            return None if answer.of_the_gateway else answer

        return wait_for(own, 60, what="a refusal by Envoy")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: dict[str, Any]

    @property
    def of_the_gateway(self) -> bool:
        return self.headers["x-gateway"] == "yes"


@pytest.fixture
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder, edge = tmp_path_factory.mktemp("envoy"), Edge(free_ports(SPAN))

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            edge.asked += 1
            calm = edge.calm or edge.asked % 10 < edge.calm_of_ten
            self.send_response(200 if calm else 503)
            self.send_header("X-Gateway", "yes")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("Content-Length", "0")
            if not calm:
                self.send_header(ADMIT_RATIO.decode(), edge.ratio)
            self.end_headers()

        do_HEAD = do_OPTIONS = do_DELETE = do_GET  # noqa: N815 - http.server finds a method by that of the request

        def log_message(self, *_: object) -> None:
            pass

    (folder / "envoy.yaml").write_text(envoy.configuration(Ports(edge.base), {}))
    program = [str(envoy.program()), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "--disable-hot-restart"]
    admin = f"http://127.0.0.1:{edge.base + 9}/ready"
    with ThreadingHTTPServer(("127.0.0.1", edge.base + 1), Gateway) as gateway:
        threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        command = Command([*program, "--log-level", "off"], {"PATH": os.defpath})
        running = Process.started("Envoy", command, folder / "envoy.log", lambda: request("GET", admin)[0] == 200, 60)
        yield edge
        running.stop()
        gateway.shutdown()


def test_what_envoy_refuses_for_the_gateway_reads_as_if_the_gateway_had(edge: Edge) -> None:
    answer = edge.refuses()
    assert answer.status == OVERLOADED.status == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] in {"1", "2", "3"}
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Origin")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["x-request-id"] == "mine"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-trace-id"])
    assert answer.body == {
        "type": f"/problems/{OVERLOADED.name}",
        "title": OVERLOADED.title,
        "status": 503,
        "detail": OVERLOADED.advice,
        "instance": "/api/v1/projects",
        "request_id": "mine",
    }


def test_the_gateways_word_to_envoy_is_not_passed_on(edge: Edge) -> None:
    first, own = edge.ask(), edge.refuses()
    assert first.of_the_gateway
    assert ADMIT_RATIO.decode() not in first.headers
    assert ADMIT_RATIO.decode() not in own.headers


def test_where_few_of_the_answers_are_refusals_everything_reaches_the_gateways(edge: Edge) -> None:
    """One of several that is overloaded, because of a neighbour on its machine, is not all of them."""
    edge.ratio, edge.calm_of_ten = "0.50", 9
    assert all(edge.ask().of_the_gateway for _ in range(300))


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/api/v1/projects", {"Origin": "https://console.example.test"}),
        ("GET", "/api/v1/projects", {"Content-Length": "0"}),
        ("DELETE", "/api/v1/projects/1", {}),
        ("DELETE", "/api/v1/projects/1", {"Transfer-Encoding": "chunked"}),
        ("HEAD", "/api/v1/projects", {}),
        ("OPTIONS", "/api/v1/projects", {}),
        ("GET", "/ready", {}),
        ("GET", "/ready?verbose", {}),
    ],
)
def test_what_the_gateway_has_to_look_at_reaches_it(
    edge: Edge, method: str, path: str, headers: dict[str, str]
) -> None:
    for _ in range(20):
        edge.refuses()
        assert edge.ask(method, path, **headers).of_the_gateway


def test_what_envoy_answers_for_other_reasons_says_nothing_of_the_gateway(edge: Edge) -> None:
    def nonsense_and_a_question() -> bool:
        for _ in range(6):
            assert edge.ask(path="/%00").status == 400
        return not edge.ask().of_the_gateway

    edge.ratio = "0.40"
    wait_for(lambda: all(nonsense_and_a_question() for _ in range(3)), 60, what="three refusals by Envoy in a row")


def test_when_the_gateway_is_calm_everything_reaches_it_again(edge: Edge) -> None:
    edge.refuses()
    edge.calm = True
    wait_for(lambda: all(edge.ask().of_the_gateway for _ in range(50)), 60, what="fifty answers by the gateway")
    assert all(edge.ask().status == 200 for _ in range(200))


def test_what_an_overload_said_last_is_no_news_when_the_next_come_much_later(edge: Edge) -> None:
    assert all(edge.ask().of_the_gateway for _ in range(9))
    later = time.monotonic() + SILENCE_S
    wait_for(lambda: time.monotonic() > later, 60, what="a silence")
    edge.calm = True
    assert all(edge.ask().of_the_gateway for _ in range(100))
