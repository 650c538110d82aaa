"""uvicorn's HTTP/1.1 protocol, with its own refusals as problems and a bound on the head of a request."""

import logging
import re
from http import HTTPStatus
from typing import Any, ClassVar, Final
from urllib.parse import unquote

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway import problems
from gateway.observation import Observation
from gateway.overload import Refusals
from gateway.problems import Problem
from gateway.representation import Headers

HANG_UP: Final = "neoforge.hang_up"
"""The member of a request's scope that drops its connection and what was still to be sent on it."""
HEAD_LIMIT: Final = 32 * 1024
"""Bytes of request target and headers."""
_HOST: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]+)(:[0-9]*)?")
"""A name or address and a port. Neither a comma, by which a proxy joins two, nor anything that steers by it."""
_HIDDEN: Final = re.compile(rb"%(2f|5c|00)", re.IGNORECASE)
"""What one reader takes for a separator or an end and another does not."""


_UNKNOWN: Final = "UNKNOWN"
# It says so before the request has its ids, and a line of its own tells the same.
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != "Invalid HTTP request received.")


class GatewayProtocol(HttpToolsProtocol):
    """One connection. What is refused here never becomes a request; it is observed like one, without a route."""

    public_url: ClassVar[str] = ""
    observation: ClassVar[Observation]
    protecting: ClassVar[Headers]
    refusals: ClassVar[Refusals]
    _in_head = True
    _head_size = 0
    _refusal: Problem | None = None
    _completed = False
    _refuses_now = False
    _answered: Any = None
    """The request that is answered now, where `cycle` is the newest that was read."""

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which collects a head for as long as it goes on, and stop it when that is too long."""
        self._completed = False
        super().data_received(data)
        # Data that ended a head or a body were not all of the head that may have begun behind it.
        if self._in_head and not self._completed and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self._refusal = _too_large()
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head = True
        self._head_size = 0
        super().on_message_begin()
        # ASGI lets a server add members of its own to a scope; the server's type of it has only those of the standard.
        self.scope[HANG_UP] = self.transport.abort  # type: ignore[typeddict-unknown-key] # see above

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request that is answered, too: the server tells the newest, which may wait behind it."""
        super().connection_lost(exc)
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()

    def on_headers_complete(self) -> None:
        """Look at the head as a whole; an exception here makes the server call `send_400_response`."""
        self._in_head = False
        self._completed = True
        self._refusal = self._refused_head()
        if self._refusal is not None:
            raise self._refusal
        self._refuses_now = self._is_alone() and self.refusals.refuses(
            self.parser.get_method(), unquote(self._path()), self.headers
        )
        if not self._refuses_now:
            super().on_headers_complete()

    def _is_alone(self) -> bool:
        """Whether nothing is answered before it on this connection, and more may come after it."""
        answered = self.cycle is None or self.cycle.response_complete
        return answered and not self.pipeline and self.parser.should_keep_alive()

    def _path(self) -> str:
        return (getattr(self, "url", None) or b"").partition(b"?")[0].decode("latin-1")

    def _refused_head(self) -> Problem | None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            return _too_large()
        version = self.parser.get_http_version()
        if version not in {"1.0", "1.1"}:
            return Problem("MALFORMED_REQUEST", "This server speaks HTTP/1.1, and HTTP/1.0.")
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or version == "1.0"):
            return Problem("MALFORMED_REQUEST", "A body comes in chunks or by its length (RFC 9112, section 6.1).")
        hosts = [value for name, value in self.headers if name == b"host"]
        needed = version != "1.0"
        if not needed <= len(hosts) <= 1 or not all(map(_HOST.fullmatch, hosts)):
            return Problem("MALFORMED_REQUEST", "A request names its host, once (RFC 9112, section 3.2).")
        if _HIDDEN.search(self.url.partition(b"?")[0]):
            return Problem("MALFORMED_REQUEST", "A path must not hide slashes or NUL behind percent signs.")
        return None

    def on_message_complete(self) -> None:
        """Be ready for the next request on this connection."""
        if self._refuses_now:
            self._refuses_now = False
            self._write(HTTPStatus.SERVICE_UNAVAILABLE, *self.refusals.refuse(unquote(self._path()), self.headers))
            self.on_response_complete()
        else:
            super().on_message_complete()
        self._in_head = True
        self._completed = True
        self._head_size = 0

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and close the connection, whose framing nobody knows any more."""
        problem = self._refusal or Problem("MALFORMED_REQUEST", msg)
        status = int(problem.type.status)
        with self.observation.refused(self._scope(), status) as ids:
            body = problems.body(problem, self.public_url, "")
        self._write(status, [*problems.fields(problem, body), *ids, (b"connection", b"close")], body)
        self.transport.close()

    def _write(self, status: int, headers: Headers, body: bytes) -> None:
        fields = [*self.server_state.default_headers, *headers, *self.protecting]
        self.transport.write(
            b"".join([STATUS_LINE[status], *(b"%s: %s\r\n" % field for field in fields), b"\r\n", body])
        )

    def _scope(self) -> Scope:
        """Describe as a request what was read of one."""
        path, query = self._path(), (getattr(self, "url", None) or b"").partition(b"?")[2]
        return {
            "type": "http",
            "method": self.parser.get_method().decode() if path else _UNKNOWN,  # else it has none yet, and says DELETE
            "path": path,
            "query_string": query,
            "headers": [] if self._in_head else self.headers,
            "client": self.client,
            "scheme": self.scheme,
            "http_version": self.parser.get_http_version(),
        }


def _too_large() -> Problem:
    return Problem("HEADERS_TOO_LARGE", f"Request target and headers may have {HEAD_LIMIT:,} bytes.")
