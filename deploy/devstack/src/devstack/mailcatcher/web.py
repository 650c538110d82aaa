"""The page and its JSON API, by the standard library, in threads beside the SMTP side.

    GET    /api/mails?to=ADDRESS&search=TEXT&limit=N   newest first, without their contents
    GET    /api/mails/{id}                             one mail: head, texts, attachments
    GET    /api/mails/{id}/source | /html | /attachments/{n}
    GET    /api/events                                 a server-sent event with each change
    DELETE /api/mails?to=ADDRESS                       forget all, or those to one address

`deliveries` of a mail says how often it came: the same to the byte under one Message-ID, as a mailbox that drops
repetitions sees it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qs, quote, urlsplit

from devstack.mailcatcher import message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devstack.mailcatcher.store import Caught, Store

Answer = tuple[str, bytes, "Mapping[str, str]"]
"""Media type, body and further header fields."""

_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; font-src data:;"
    " style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'self'"
)
"""A mail's HTML runs nothing, loads nothing and sends nothing; a link that a person clicks opens a tab of its own."""

_STATIC: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_MAIL: Final = re.compile(r"/api/mails/(\d{1,15})(?:/(source|html|attachments/(\d{1,4})))?")
_BEAT_S: Final = 15.0
"""An event stream says something at least as often, so that one whose reader is gone is noticed."""


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class _Handler(BaseHTTPRequestHandler):
    store: ClassVar[Store]
    stopping: ClassVar[Event]
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds that a silent connection is kept
    server_version, sys_version = "neoforge-mailcatcher", ""

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/api/events":
            self._events()
        else:
            self._answer(self._read)

    do_HEAD = do_GET  # noqa: N815 - the name of http.server

    def do_DELETE(self) -> None:
        self._answer(self._clear)

    def _answer(self, route: Callable[[str, dict[str, str]], Answer]) -> None:
        status = HTTPStatus.OK
        try:
            path, query = self._asked()
            media_type, body, fields = route(path, query)
        except _Refused as refused:
            status = refused.status
            problem = {"type": "about:blank", "title": status.phrase, "status": status, "detail": str(refused)}
            media_type, body, fields = "application/problem+json", json.dumps(problem).encode(), {}
        self.send_response(status)
        self._send_fields({"Content-Type": media_type, "Content-Length": str(len(body)), **fields})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _asked(self) -> tuple[str, dict[str, str]]:
        # A page of another origin reaches loopback by a name of its own (DNS rebinding); ours are these.
        if self.headers.get("Host", "").rpartition(":")[0] not in {"127.0.0.1", "localhost"}:
            raise _Refused(HTTPStatus.FORBIDDEN, "Ask for localhost or 127.0.0.1, with the port.")
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self.close_connection = True  # no request here has a body, and this one is not read
        url = urlsplit(self.path)
        return url.path, {name: values[-1] for name, values in parse_qs(url.query).items()}

    def _read(self, path: str, query: dict[str, str]) -> Answer:
        if path in _STATIC:
            name, media_type = _STATIC[path]
            body = files("devstack.mailcatcher").joinpath("page", name).read_bytes()
            return media_type, body, {"Content-Security-Policy": _PAGE_POLICY}
        if path == "/health":
            return _json({"status": "ok"})
        if path == "/api/mails":
            return _json({"mails": [_row(mail) for mail in self.store.list(**_filter(query))]})
        found = _MAIL.fullmatch(path)
        kept = self.store.get(int(found[1])) if found else None
        if found is None or kept is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such mail or page.")
        return _mail(kept[0], kept[1], found)

    def _clear(self, path: str, query: dict[str, str]) -> Answer:
        if path != "/api/mails":
            raise _Refused(HTTPStatus.NOT_FOUND, "DELETE /api/mails, with ?to=ADDRESS for those to one address.")
        return _json({"removed": self.store.clear(to=query.get("to", ""))})

    def _events(self) -> None:
        try:
            self._asked()
        except _Refused as refused:
            self.send_error(refused.status)
            return
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self._send_fields({"Content-Type": "text/event-stream", "Connection": "close"})
        seen = -1
        while not self.stopping.is_set():
            revision = self.store.wait(seen, _BEAT_S)
            try:
                self.wfile.write(f"data: {revision}\n\n".encode() if revision != seen else b": still here\n\n")
                self.wfile.flush()
            except OSError:
                return
            seen = revision

    def _send_fields(self, fields: Mapping[str, str]) -> None:
        common = {
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
        }
        for name, value in {**common, **fields}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Looking at mails is no event."""


class Page:
    """Serves page and API from threads; `port` is the real one where 0 was asked for."""

    def __init__(self, host: str, port: int, store: Store) -> None:
        self._stopping = Event()
        handler = type("Handler", (_Handler,), {"store": store, "stopping": self._stopping})
        self._server = ThreadingHTTPServer((host, port), handler)
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
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _json(content: Mapping[str, Any]) -> Answer:
    return "application/json", json.dumps(content, ensure_ascii=False).encode(), {}


def _filter(query: dict[str, str]) -> dict[str, Any]:
    limit = query.get("limit", "1000")
    if not limit.isascii() or not limit.isdigit():
        raise _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "limit must be a number.")
    return {"to": query.get("to", ""), "search": query.get("search", ""), "limit": int(limit[:9])}


def _row(mail: Caught) -> dict[str, Any]:
    row = asdict(mail)
    return row | {"from": row.pop("sender"), "to": row.pop("recipients")}


def _mail(mail: Caught, source: bytes, asked: re.Match[str]) -> Answer:
    parsed = message.parse(source)
    match asked[2]:
        case None:
            kept = [
                {"name": part.name, "media_type": part.media_type, "size": len(part.content)}
                for part in message.attachments(parsed)
            ]
            texts = {"text": message.text(parsed), "html": message.html(parsed)}
            return _json(_row(mail) | texts | {"headers": message.headers(parsed), "attachments": kept})
        case "source":
            return "text/plain; charset=utf-8", source, {"Content-Security-Policy": "sandbox; default-src 'none'"}
        case "html":
            body = (message.shown_html(parsed) or "").encode("utf-8", "replace")
            return "text/html; charset=utf-8", body, {"Content-Security-Policy": _MAIL_POLICY}
    parts = message.attachments(parsed)
    if int(asked[3]) >= len(parts):
        raise _Refused(HTTPStatus.NOT_FOUND, "The mail has no such attachment.")
    part = parts[int(asked[3])]
    # Never shown, always saved: what came by mail is not a page of this origin.
    fields = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(part.name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return "application/octet-stream", part.content, fields
