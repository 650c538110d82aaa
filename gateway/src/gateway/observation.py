"""What is seen of every request from outside: ids, span, access log and metrics, all by route template.

The outermost layer, so that it sees every answer, whoever gave it.
"""

import logging
import os
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import logs, telemetry
from chassis.admission import Admission
from chassis.metrics import exemplar
from chassis.redaction import redact
from chassis.sampling import SLOW_S
from chassis.telemetry import propagator, tracer
from gateway import metrics, threats
from gateway.addresses import Network, client_address
from gateway.penalties import Penalties
from gateway.representation import Headers

log = logging.getLogger("gateway.access")

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
LASTS: Final = "neoforge.lasts"
"""In the scope of a request whose answer lasts: it is observed until that begins."""
UNSEEN: Final = frozenset({"/health", "/ready", "/metrics"})
"""Asked every second by machines: no spans and no log lines."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
"""What the conventions know; others are `_OTHER`, so that strangers cannot make names of spans."""
_PARAMETER: Final = re.compile(r"[a-z][a-z_]{0,31}")
_LONGEST_AGENT: Final = 256

_UNMATCHED: Final = "unmatched"
_LONGEST_ID: Final = 40
"""Characters; a UUID has 36."""


class Observation:
    """Gives every request its ids and tells what became of it."""

    def __init__(
        self,
        app: ASGIApp,
        proxies: tuple[Network, ...],
        forwarded_header: str,
        admission: Admission,
        penalties: Penalties,
    ) -> None:
        self._app = app
        self._admission = admission
        self._penalties = penalties
        self._proxies = proxies
        self._forwarded_header = forwarded_header.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and tell what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        self._address(scope)
        entered = logs.request_id.set(request_id)
        try:
            if scope["path"] in UNSEEN:
                await self._app(scope, receive, _with_ids(send, request_id, ""))
            elif self._admission.refuses:
                await self._overlooked(scope, receive, send, request_id, headers)
            else:
                await self._observed(scope, receive, send, request_id, parent_of(headers))
        finally:
            logs.request_id.reset(entered)

    @contextmanager
    def refused(self, scope: Scope, status: int) -> Iterator[Headers]:
        """Observe what is answered before it is a request, and give the headers of its ids; as of any request."""
        headers = dict(scope["headers"])
        request_id = request_id_of(headers.get(b"x-request-id", b""))
        self._address(scope)
        entered = logs.request_id.set(request_id)
        try:
            with telemetry.within(
                tracer.start_span(scope["method"], context=parent_of(headers), kind=SpanKind.SERVER)
            ) as span:
                yield ids(request_id, f"{span.get_span_context().trace_id:032x}")
                _tell(scope, span, status, 0.0)
            if (kind := threats.of_refusal(scope, status)) is not None:
                self._penalties.saw_refused(kind, scope)
        finally:
            logs.request_id.reset(entered)

    def overlooked(self, headers: Mapping[bytes, bytes]) -> str:
        """Count a request whose refusal is to cost little: it has no line and no span. Give the id of its trace."""
        metrics.http_errors.labels(_UNMATCHED, "5xx").inc()
        known = 0
        if b"traceparent" in headers:
            known = trace.get_current_span(parent_of(headers)).get_span_context().trace_id
        return f"{known or random.getrandbits(128):032x}"

    async def _overlooked(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, headers: Mapping[bytes, bytes]
    ) -> None:
        trace_id = self.overlooked(headers)
        named = SpanContext(int(trace_id, 16), random.getrandbits(64), is_remote=False)
        with trace.use_span(NonRecordingSpan(named)):
            await self._app(scope, receive, _with_ids(send, request_id, trace_id))

    def _address(self, scope: Scope) -> None:
        peer = scope["client"][0] if scope["client"] else None
        scope["neoforge.address"] = client_address(peer, scope["headers"], self._proxies, self._forwarded_header)

    async def _observed(self, scope: Scope, receive: Receive, send: Send, request_id: str, parent: Context) -> None:
        started = time.perf_counter()
        status = 0

        async def observe(message: Message) -> None:
            nonlocal status
            begins = message["type"] == "http.response.start"
            if begins:
                status = message["status"]
            await identified(message)
            if begins and LASTS in scope:  # how long somebody listens is no time that anybody waited
                observed.close()

        def tell() -> None:
            metrics.http_in_progress.dec()
            _tell(scope, span, status, time.perf_counter() - started)

        metrics.http_in_progress.inc()
        with ExitStack() as observed:
            span = observed.enter_context(
                telemetry.within(tracer.start_span(scope["method"], context=parent, kind=SpanKind.SERVER))
            )
            identified = _with_ids(send, request_id, f"{span.get_span_context().trace_id:032x}")
            observed.callback(tell)
            try:
                await self._app(scope, receive, observe)
            except Exception as failure:
                telemetry.fail(span, type(failure).__qualname__)
                raise


def _tell(scope: Scope, span: Span, status: int, seconds: float) -> None:
    method, route = scope["method"], getattr(scope.get("route"), "path_format", _UNMATCHED)
    path = _path(scope)
    kind = f"{status // 100}xx" if status else "none"
    metrics.http_duration.labels(metrics.method_label(method), route, kind).observe(seconds, exemplar())
    if status >= HTTPStatus.BAD_REQUEST:
        metrics.http_errors.labels(route, kind).inc()
    if span.is_recording():
        _describe(span, scope, path, route, status)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR or seconds >= SLOW_S:
        # Whatever share of traces is recorded, of those that went wrong at least this span is.
        late = tracer.start_span(
            method,
            context=telemetry.sampled_after_all(span.get_span_context()),
            kind=SpanKind.SERVER,
            start_time=time.time_ns() - int(seconds * 1e9),
        )
        if late.is_recording():
            _describe(late, scope, path, route, status)
        late.end()
    log.info(
        "%s %s %d",
        method,
        path,
        status,
        extra={
            "method": method,
            "route": route,
            "status": status,
            "duration_ms": round(seconds * 1_000, 2),
            "client": scope["neoforge.address"],
        },
    )


def _describe(span: Span, scope: Scope, path: str, route: str, status: int) -> None:
    """Name the span and give it its attributes, by the conventions for HTTP servers."""
    given = scope["method"]
    method = given if given in _METHODS else "_OTHER"
    name = method if given in _METHODS else "HTTP"
    headers = dict(scope["headers"])
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "url.path": path,
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
        "client.address": scope["neoforge.address"],
        **telemetry.address(headers.get(b"host", b"").decode("latin-1")),
    }
    if given not in _METHODS:
        attributes["http.request.method_original"] = given
    if route != _UNMATCHED:
        attributes["http.route"] = route
        name = f"{name} {route}"
    if scope["query_string"]:
        attributes["url.query"] = _query(scope["query_string"])
    if agent := headers.get(b"user-agent"):
        attributes["user_agent.original"] = agent[:_LONGEST_AGENT].decode("latin-1")
    if status:
        attributes["http.response.status_code"] = status
    span.update_name(name)
    span.set_attributes(attributes)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        telemetry.fail(span, str(status))


def _query(query: bytes) -> str:
    """Give the names in a query alone: the values are cursors, search words and whatever else people type."""
    names = (part.partition(b"=")[0].decode("latin-1") for part in query.split(b"&"))
    return "&".join(f"{name}=REDACTED" for name in names if _PARAMETER.fullmatch(name))


def _with_ids(send: Send, request_id: str, trace_id: str) -> Send:
    fields = ids(request_id, trace_id)

    async def identified(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *fields]
        await send(message)

    return identified


def ids(request_id: str, trace_id: str) -> Headers:
    """Give the headers that tell a client the ids of its request, and of its trace if there is one."""
    fields = [(b"x-request-id", request_id.encode())]
    if trace_id:
        fields.append((b"x-trace-id", trace_id.encode()))
    return fields


def request_id_of(given: bytes) -> str:
    """Give the id that came if it is sane (1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`) and no token, else a new UUID."""
    if _SANE_ID.fullmatch(given) and redact(told := given.decode()) == told:
        return told
    return new_id()


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562, section 5.7), so that ids sort by time."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parent_of(headers: Mapping[bytes, bytes]) -> Context:
    """Give the span that a request is part of, by its headers: none unless they follow Trace Context."""
    carrier = {
        name: headers[name.encode()].decode("latin-1")
        for name in ("traceparent", "tracestate")
        if name.encode() in headers
    }
    return propagator.extract(carrier) if carrier else Context()


def _path(scope: Scope) -> str:
    """Give the path without a token in it: who reads logs and traces is not to be let in by them.

    No route has a part longer than an id, but for the tokens; one stands also in a path that just misses its route.
    """
    return "/".join(part if len(part) <= _LONGEST_ID else "{token}" for part in scope["path"].split("/"))
