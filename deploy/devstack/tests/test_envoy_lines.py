"""The edge's own lines of the access log: of what the gateway did not answer, in the form of all others."""

import http.client
import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from chassis.embedded.ports import free_ports
from chassis.embedded.process import Command, Process
from chassis.logs import JsonFormatter
from chassis.testing.waiting import wait_for
from devstack import envoy
from devstack.loopback import request
from devstack.ports import SPAN, Ports

MEMBERS = set(json.loads(JsonFormatter("any").as_it_is(20, "any", "any")))


class Edge:
    """A real Envoy; nothing stands behind it."""

    def __init__(self, base: int, log: Path) -> None:
        self.base = base
        self._log = log

    def lines(self, part: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines() if part in line]

    def line(self, part: str) -> dict[str, Any]:
        (line,) = wait_for(lambda: self.lines(part), 60, what=f"a line with {part}")
        return line

    def refused(self, path: str, request_id: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.base, timeout=60)
        connection.request("GET", path, headers={"X-Request-Id": request_id})
        assert connection.getresponse().status == 503
        connection.close()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    folder, base = tmp_path_factory.mktemp("envoy"), free_ports(SPAN)
    (folder / "envoy.yaml").write_text(envoy.configuration(Ports(base), {}))
    program = [str(envoy.program()), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "--disable-hot-restart"]
    admin = f"http://127.0.0.1:{base + 9}/ready"
    command = Command([*program, "--file-flush-interval-msec", "10", "--log-level", "off"], {"PATH": os.defpath})
    running = Process.started("Envoy", command, folder / "envoy.log", lambda: request("GET", admin)[0] == 200, 60)
    yield Edge(base, folder / "envoy.log")
    running.stop()


def test_a_line_has_the_same_members_as_those_of_every_process(edge: Edge) -> None:
    edge.refused("/api/v1/projects?cursor=x", "ordinary")
    line = edge.line("ordinary")
    assert set(line) >= MEMBERS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", line["time"])
    assert (line["level"], line["service"], line["logger"]) == ("info", "envoy", "envoy.access")
    assert line["message"] == "GET /api/v1/projects 503"
    assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
    assert re.fullmatch("[0-9a-f]{16}", line["span_id"])


def test_so_has_that_of_what_is_no_request(edge: Edge) -> None:
    with socket.create_connection(("127.0.0.1", edge.base), timeout=60) as stranger:
        stranger.sendall(b"GARBAGE\r\n\r\n")
        while stranger.recv(65_536):
            pass
    assert set(edge.line(" 400")) >= MEMBERS


@pytest.mark.parametrize(
    "path", ["/nope/password=hunter2", "/nope/whsec_hunter2", "/nope/%70w%3Dhunter2", "/nope/nft_hunter2"]
)
def test_a_secret_in_a_path_is_in_no_line(edge: Edge, path: str) -> None:
    edge.refused(path, f"id-{abs(hash(path))}")
    assert edge.line(f"id-{abs(hash(path))}")["path"] == "/{token}"
    assert not edge.lines("hunter2")


def test_of_a_caller_that_leaves_only_what_the_gateway_never_had_has_a_line_here(edge: Edge) -> None:
    asked, left = threading.Event(), threading.Event()

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.set()
            assert left.wait(60)

        def log_message(self, *_: object) -> None:
            pass

    gateway = ThreadingHTTPServer(("127.0.0.1", edge.base + 1), Gateway)
    threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        with caller(edge, "had"):
            assert asked.wait(60)
        wait_for(lambda: stats(edge, "upstream_rq_active").endswith(": 0"), 60, what="the end of the request")
    finally:
        left.set()
        gateway.shutdown()
        gateway.server_close()
    before = stats(edge, "upstream_rq_retry")
    with caller(edge, "never-had"):
        wait_for(lambda: stats(edge, "upstream_rq_retry") != before, 60, what="an attempt")
    line = edge.line("never-had")
    assert (line["status"], line["flags"]) == (0, "DC")
    assert not edge.lines('"had"')


def caller(edge: Edge, request_id: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", edge.base), timeout=60)
    connection.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: {request_id}\r\n\r\n".encode())
    return connection


def stats(edge: Edge, name: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", edge.base + 9, timeout=60)
    try:
        connection.request("GET", f"/stats?filter=cluster.gateway.{name}$")
        return connection.getresponse().read().decode().strip()
    finally:
        connection.close()
