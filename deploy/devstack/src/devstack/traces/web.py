"""The page, rendered here and without a script: whatever spans hold is shown as text.

GET /                        the newest traces; ?search=TEXT (a whole id: that trace), ?failed=1
GET /traces/{trace id}       one trace as a waterfall, under the id that stands in X-Trace-Id
"""

from __future__ import annotations

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from devstack.traces import waterfall

if TYPE_CHECKING:
    from devstack.traces.store import Store

_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
"""No script at all; styles stand inline, since where a span lies is a style."""
_STATIC: Final = {"/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml"}
_TRACE: Final = re.compile(r"/traces/([0-9a-f]{32})")
_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_HTML: Final = "text/html; charset=utf-8"
_LISTED: Final = 100


class Page:
    """Serves the page from threads; `port` is the real one where 0 was asked for."""

    def __init__(self, host: str, port: int, store: Store) -> None:
        self._store = store
        self._templates = Environment(
            loader=PackageLoader("devstack.traces", "page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._templates.filters.update(clock=waterfall.clock, duration=waterfall.duration, colour=waterfall.colour)
        self._server = ThreadingHTTPServer((host, port), _handler(self))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="page", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str, host: str) -> tuple[HTTPStatus, str, bytes]:
        """Give status, media type and body for a request."""
        # A page of another origin reaches loopback by a name of its own (DNS rebinding); ours are these.
        if host.rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
            return self._missing(HTTPStatus.FORBIDDEN, "ask for localhost or 127.0.0.1, with the port")
        url = urlsplit(target)
        if url.path in _STATIC:
            return HTTPStatus.OK, _STATIC[url.path], files("devstack.traces").joinpath(f"page{url.path}").read_bytes()
        if url.path == "/health":
            return HTTPStatus.OK, "application/json", b'{"status":"ok"}'
        if url.path == "/":
            return self._list({name: values[-1] for name, values in parse_qs(url.query).items()})
        found = _TRACE.fullmatch(url.path)
        return self._trace(found[1]) if found else self._missing(HTTPStatus.NOT_FOUND, "there is no such page")

    def _trace(self, trace_id: str) -> tuple[HTTPStatus, str, bytes]:
        trace = self._store.get(trace_id)
        if trace is None:
            return self._missing(HTTPStatus.NOT_FOUND, "this trace is not here")
        axis = waterfall.ticks(trace.duration_ns)
        return self._render("trace.html", trace=trace, rows=waterfall.rows(trace), ticks=axis)

    def _list(self, query: dict[str, str]) -> tuple[HTTPStatus, str, bytes]:
        search, failed = query.get("search", "").strip(), "failed" in query
        if _ID.fullmatch(search):
            return self._trace(search.lower())
        traces = self._store.newest(search, failed=failed, limit=_LISTED)
        longest = max((trace.duration_ns for trace in traces), default=1) or 1
        return self._render("list.html", traces=traces, longest=longest, search=search, failed=failed)

    def _missing(self, status: HTTPStatus, detail: str) -> tuple[HTTPStatus, str, bytes]:
        return self._render("missing.html", status=status, detail=detail)

    def _render(
        self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: Any
    ) -> tuple[HTTPStatus, str, bytes]:
        given: dict[str, Any] = {"search": "", "failed": False, "trace": None, "kept": self._store.counts}
        text = self._templates.get_template(template).render(given | {"status": int(status)} | values)
        return status, _HTML, text.encode("utf-8", "replace")


def _handler(page: Page) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30  # seconds that a silent connection is kept
        server_version, sys_version = "neoforge-traces", ""

        def do_GET(self) -> None:
            if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
                self.close_connection = True  # no request here has a body, and this one is not read
            status, media_type, body = page.answer(self.path, self.headers.get("Host", ""))
            self.send_response(status)
            for name, value in {
                "Content-Type": media_type,
                "Content-Length": str(len(body)),
                "Content-Security-Policy": _POLICY,
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Resource-Policy": "same-origin",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - the name of http.server

        def log_message(self, *_: Any) -> None:
            """Looking at traces is no event."""

    return Handler
