"""The operator's port of a service or worker: /metrics, /health (the process lives) and /ready (it can do its work)."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final
from urllib.parse import urlsplit

from chassis import metrics

log = logging.getLogger(__name__)

_STOP_POLL_S: Final = 0.1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = False

    def __init__(
        self, family: socket.AddressFamily, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]
    ) -> None:
        self.address_family = family
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer would ask the name service for this host's name, and wait for it where there is none.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment] # of AF_INET and AF_INET6

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what failed in an answer; a client that went away is no event."""
        del request
        failure = sys.exception()
        if not isinstance(failure, ConnectionError | TimeoutError):
            log.error("the operator's port could not answer", exc_info=failure, extra={"client": client_address[0]})


class OpsServer:
    """Serves the operator's port from a thread of its own, so that it answers while the event loop is busy.

    `ready` gives the state of each thing the process needs; all true means ready.

    Raises:
        OSError: the address cannot be had.
    """

    def __init__(self, address: str, ready: Callable[[], dict[str, bool]]) -> None:
        host, _, port = address.rpartition(":")

        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # seconds that a client may be silent

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path == "/metrics":
                    metrics.tell_ready(ready())
                    body, media_type = metrics.exposition(self.headers.get("Accept", ""))
                    self._answer(200, media_type, body)
                elif path == "/health":
                    self._answer(200, "application/json", b'{"status":"alive"}')
                elif path == "/ready":
                    parts = ready()
                    status = "ready" if all(parts.values()) else "not ready"
                    told = {"status": status} | {name: "ok" if up else "down" for name, up in parts.items()}
                    self._answer(200 if all(parts.values()) else 503, "application/json", json.dumps(told).encode())
                else:
                    self._answer(404, "text/plain", b"/metrics, /health or /ready\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Probes and scrapes are no events."""

        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._server = _Server(family, (host, int(port)), Handler)
        except OSError as taken:
            raise OSError(taken.errno, f"cannot listen on {address}: {taken.strerror}") from taken
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_STOP_POLL_S,), name="ops", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
