"""A real Envoy with nothing of ours behind it: a stand-in for the gateway, and a certificate that can be replaced."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
from cryptography import x509

from chassis.embedded.certificates import Authority
from chassis.embedded.ports import free_ports
from chassis.embedded.process import Command, Process
from devstack import envoy
from devstack.loopback import request
from devstack.ports import SPAN, Ports

PATIENCE_S = 60


class Digest(BaseHTTPRequestHandler):
    """Answers a POST with length and digest of its body, and a GET with as many bytes as the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(b"" if self.path == "/ready" else b"y" * int(self.path.removeprefix("/")))

    def do_POST(self) -> None:
        body = b"".join(self._parts())
        self._send(json.dumps([len(body), hashlib.sha256(body).hexdigest()]).encode())

    def _parts(self) -> Iterator[bytes]:
        if "content-length" in self.headers:
            yield self.rfile.read(int(self.headers["content-length"]))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@dataclass(frozen=True)
class Edge:
    """A running Envoy."""

    ports: Ports
    certificates: Path

    @property
    def authority(self) -> Path:
        """The certificate of who issued its own."""
        return self.certificates / "ca.crt"

    def statistic(self, name: str) -> int:
        """Give one of its figures."""
        page = httpx.get(f"http://127.0.0.1:{self.ports.envoy_admin}/stats?filter=^{name}$").text
        return int(page.rpartition(":")[2] or "0")

    def following(self) -> int:
        """Have another certificate issued for `replace`; give its serial number."""
        issued = Authority(self.certificates).issue("following").certificate.read_bytes()
        return x509.load_pem_x509_certificate(issued).serial_number

    def replace(self, name: str) -> None:
        """Put a file of that, `tls.crt` or `tls.key`, into the place of the one that is used."""
        (self.certificates / "following" / name).replace(self.certificates / "envoy" / name)


@contextmanager
def running(folder: Path, changes: Mapping[str, str]) -> Iterator[Edge]:
    """Run Envoy with some of its configuration changed."""
    ports, certificates = Ports(free_ports(SPAN)), folder / "certificates"
    own = Authority(certificates).issue("envoy").certificate.parent
    file = envoy.write(folder, ports, {}, own)
    text = file.read_text()
    for was, becomes in changes.items():
        assert was in text, was
        text = text.replace(was, becomes)
    file.write_text(text)
    program = [str(envoy.program()), "-c", str(file), "--concurrency", "1", "--disable-hot-restart"]
    command = Command([*program, "--log-level", "warn"], {"PATH": os.defpath})

    def ready() -> bool:
        return request("GET", f"http://127.0.0.1:{ports.envoy_admin}/ready")[0] == httpx.codes.OK

    process = Process.started("Envoy", command, folder / "envoy.log", ready, PATIENCE_S)
    try:
        yield Edge(ports, certificates)
    finally:
        process.stop()


@contextmanager
def a_gateway(edge: Edge) -> Iterator[None]:
    """Stand in for the gateway."""
    with ThreadingHTTPServer(("127.0.0.1", edge.ports.gateway), Digest) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
