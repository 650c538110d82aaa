"""The operator's port of a service or worker: /metrics, /health (the process lives) and /ready (it can do its work)."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest


class OpsServer:
    """Serves the operator's port from a thread of its own, so that it answers while the event loop is busy.

    `ready` gives the state of each thing the process needs; all true means ready.
    """

    def __init__(self, address: str, ready: Callable[[], dict[str, bool]]) -> None:
        host, _, port = address.rpartition(":")

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))  # type: ignore[no-untyped-call] # it has no annotations
                elif self.path == "/health":
                    self._answer(200, "application/json", b'{"status":"alive"}')
                elif self.path == "/ready":
                    parts = ready()
                    status = "ready" if all(parts.values()) else "not ready"
                    body = {"status": status} | {name: "ok" if up else "down" for name, up in parts.items()}
                    self._answer(200 if all(parts.values()) else 503, "application/json", json.dumps(body).encode())
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

        self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="ops", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
