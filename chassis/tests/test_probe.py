import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from chassis import probe
from chassis.embedded.certificates import Authority, Identity
from chassis.ops import OpsServer


@pytest.fixture
def operations() -> Iterator[tuple[OpsServer, dict[str, bool]]]:
    parts = {"database": True}
    server = OpsServer("127.0.0.1:0", lambda: parts)
    server.start()
    yield server, parts
    server.stop()


def test_a_process_is_ready_when_its_operators_port_says_so(operations: tuple[OpsServer, dict[str, bool]]) -> None:
    server, parts = operations
    environment = {"NEOFORGE_OPS_LISTEN": f"0.0.0.0:{server.port}", "NEOFORGE_LISTEN": "0.0.0.0:1"}
    assert probe.by_http(environment) == ""
    parts["database"] = False
    assert '"database": "down"' in probe.by_http(environment)


def test_a_process_without_an_operators_port_is_asked_on_its_own() -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing that a test run should show."""

    server = HTTPServer(("127.0.0.1", 0), Ready)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    assert probe.by_http({"NEOFORGE_LISTEN": f"0.0.0.0:{server.server_port}"}) == ""
    thread.join()
    server.server_close()


def test_nobody_there_is_not_ready() -> None:
    assert "does not answer" in probe.by_http({"NEOFORGE_OPS_LISTEN": "127.0.0.1:1"})
    assert "does not answer" in probe.by_grpc({"NEOFORGE_LISTEN": "127.0.0.1:1"})


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Authority(tmp_path).issue("projects")


def test_grpc_is_asked_as_callers_reach_it_with_mutual_tls(identity: Identity) -> None:
    servicer = health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    chain = identity.key.read_bytes(), identity.certificate.read_bytes()
    credentials = grpc.ssl_server_credentials([chain], identity.authority.read_bytes(), require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    plain = {"NEOFORGE_LISTEN": f"0.0.0.0:{port}"}
    environment = plain | {
        "NEOFORGE_TLS_CA": str(identity.authority),
        "NEOFORGE_TLS_CERTIFICATE": str(identity.certificate),
        "NEOFORGE_TLS_KEY": str(identity.key),
    }
    assert probe.by_grpc(environment) == ""
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert probe.by_grpc(environment) == "it is not serving"
    assert "does not answer" in probe.by_grpc(plain)
    server.stop(None).wait()
