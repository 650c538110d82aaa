"""A rollout of the edge: the replica that goes answers what it has taken, and sends callers elsewhere."""

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from charts import pods, rendered
from running_edge import GATEWAY, HTTP, OPERATIONS, Edge, running

from chassis.testing.waiting import wait_for

pytestmark = pytest.mark.xdist_group("chart")


class Gateway(ThreadingHTTPServer):
    """Is ready, and answers /slow when it is let."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.arrived, self.let = threading.Event(), threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.arrived.set()
            self.server.let.wait(60)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def gateway(edge: Edge) -> Iterator[Gateway]:
    with Gateway(edge.base + GATEWAY) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.let.set()
            server.shutdown()
            thread.join()


def test_an_edge_that_goes_answers_what_it_took_and_sends_callers_elsewhere(tmp_path: Path) -> None:
    with running(tmp_path) as edge, gateway(edge) as behind:
        wait_for(lambda: edge.asked(HTTP, "/")[0] == 200, 60, what="the way through")
        kept, slow = (http.client.HTTPConnection("127.0.0.1", edge.base + HTTP, timeout=60) for _ in range(2))
        kept.request("GET", "/")
        first = kept.getresponse()
        first.read()
        assert first.getheader("Connection") is None
        slow.request("GET", "/slow")
        assert behind.arrived.wait(60)

        going = edge.told_to_stop()
        try:
            wait_for(lambda: edge.asked(OPERATIONS, "/ready")[0] != 200, 60, what="a word that it goes")
            kept.request("GET", "/")
            last = kept.getresponse()
            assert (last.status, last.getheader("Connection")) == (200, "close")
            wait_for(lambda: edge.asked(HTTP, "/")[0] == 0, 60, what="the end of new connections")
            behind.let.set()
            assert slow.getresponse().status == 200
            assert going.poll() is None, "Kubernetes does not end it yet"
        finally:
            going.kill()
            going.wait()
            kept.close()
            slow.close()


def test_it_is_given_the_time_that_its_longest_request_takes() -> None:
    objects = rendered()
    (pod,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-edge")
    (container,) = pod["containers"]
    (text,) = (item["data"]["envoy.yaml"] for item in objects if "envoy.yaml" in item.get("data", {}))
    # Streams have no bound, and are no matter: they end with the edge, and their clients come back and go on.
    streams, longest = (int(seconds) for seconds in re.findall(r"cluster: gateway\n(?:.*\n)*?\s+timeout: (\d+)s", text))
    assert streams == 0
    drain = int(container["args"][container["args"].index("--drain-time-s") + 1])
    (before_end,) = re.findall(r"exec sleep (\d+)", container["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert int(before_end) >= drain + longest
    assert pod["terminationGracePeriodSeconds"] >= int(before_end) + 10
    # It is not killed for being not ready while it goes.
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= pod["terminationGracePeriodSeconds"]
