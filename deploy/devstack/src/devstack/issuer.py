"""The development token issuer: a stand-in for the auth service, behind the same key set interface.

It gives a token to whoever asks and therefore listens on loopback, in the local stack, alone.
"""

from __future__ import annotations

import json
import signal
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from devstack.errors import StackError
from devstack.people import PEOPLE
from devstack.ports import HOST
from devstack.tokens import Signer

if TYPE_CHECKING:
    from devstack.folders import Folders
    from devstack.ports import Ports

BODY_LIMIT = 4096
ROLES = {"user", "agent", "admin"}


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class _Handler(BaseHTTPRequestHandler):
    signer: ClassVar[Signer]
    protocol_version = "HTTP/1.1"
    timeout = 10  # seconds that a silent connection is kept
    server_version, sys_version = "neoforge-issuer", ""

    def do_GET(self) -> None:
        self._answer({"/.well-known/jwks.json": self.signer.key_set, "/health": lambda: {"status": "ok"}})

    def do_POST(self) -> None:
        self._answer({"/token": self._token})

    def _answer(self, routes: dict[str, Any]) -> None:
        try:
            self._send(HTTPStatus.OK, "application/json", self._route(routes)())
        except _Refused as refused:
            self.close_connection = True  # the body may be unread
            problem = {"type": "about:blank", "title": refused.status.phrase, "status": refused.status}
            self._send(refused.status, "application/problem+json", problem | {"detail": str(refused)})

    def _route(self, routes: dict[str, Any]) -> Any:
        # A page of another origin reaches loopback by a name of its own (DNS rebinding); ours are these.
        if self.headers.get("Host", "").rpartition(":")[0] not in {HOST, "localhost"}:
            raise _Refused(HTTPStatus.FORBIDDEN, f"Ask for {HOST} or localhost.")
        if self.path not in routes:
            raise _Refused(HTTPStatus.NOT_FOUND, "GET /.well-known/jwks.json or POST /token.")
        return routes[self.path]

    def _send(self, status: HTTPStatus, media_type: str, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _token(self) -> dict[str, Any]:
        # Another origin's page can send a form without asking first, but not JSON.
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send application/json.")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit() or int(length) > BODY_LIMIT:
            raise _Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Send at most {BODY_LIMIT} bytes, with their Content-Length."
            )
        try:
            wish = json.loads(self.rfile.read(int(length)))
            subject, roles = _who(wish)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            wanted = f'Send {{"person": one of {", ".join(PEOPLE)}}} or {{"sub": a UUID, "roles": of {sorted(ROLES)}}}.'
            raise _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, wanted) from None
        return {"access_token": self.signer.token(subject, roles), "token_type": "Bearer"}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the signature of http.server
        print(f"{self.log_date_time_string()} {format % args}", flush=True)


def _who(wish: dict[str, Any]) -> tuple[str, list[str]]:
    if "person" in wish:
        person = PEOPLE[wish["person"]]
        return person.subject, list(person.roles)
    roles = wish.get("roles", ["user"])
    if not isinstance(roles, list) or not ROLES.issuperset(roles):
        raise ValueError(roles)
    return str(uuid.UUID(wish["sub"])), roles


def issue(folders: Folders, ports: Ports, name: str) -> str:
    """A token of a demo person; raises StackError for anybody else."""
    person = PEOPLE.get(name)
    if person is None:
        raise StackError(f"Nobody is called {name}; the demo people are {', '.join(PEOPLE)}.")
    return _signer(folders, ports).token(person.subject, person.roles)


def serve(folders: Folders, ports: Ports) -> None:
    """Answer until SIGTERM."""
    with server(_signer(folders, ports), ports.issuer) as running:
        signal.signal(signal.SIGTERM, lambda *_: Thread(target=running.shutdown).start())
        running.serve_forever()


def server(signer: Signer, port: int) -> ThreadingHTTPServer:
    """The issuer's server, bound to `port` of loopback and not yet serving."""
    return ThreadingHTTPServer((HOST, port), type("Handler", (_Handler,), {"signer": signer}))


def _signer(folders: Folders, ports: Ports) -> Signer:
    return Signer(folders.secrets / "issuer.key", f"http://{HOST}:{ports.issuer}")
