"""OTLP over gRPC (opentelemetry.proto.collector.trace.v1): takes spans from every process, and never makes one wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from devstack.traces.store import LONGEST_TEXT, MOST_ATTRIBUTES, MOST_EVENTS, UNKNOWN, Event, Link, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from devstack.traces.store import Store

_THREADS: Final = 2
_IDS: Final = (16, 8)
"""Bytes of a trace id and of a span id."""


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Listens on `host:port`; a port of 0 becomes a free one.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, host: str, port: int, store: Store) -> None:
        self._store = store
        self._server = grpc.server(ThreadPoolExecutor(_THREADS), options=(("grpc.so_reuseport", 0),))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call] # it has no annotations
        try:
            self.port: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as taken:
            raise OSError(f"cannot listen on {host}:{port}: is something else there?") from taken

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """Keep what is well formed of an export, and say how much was not."""
        del context
        spans = [
            (told, span)
            for resource in request.resource_spans
            for told in [dict(_values(resource.resource.attributes))]
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        good = [(told, span) for told, span in spans if (len(span.trace_id), len(span.span_id)) == _IDS]
        self._store.add(_span(told, span) for told, span in good)
        refused = len(spans) - len(good)
        partial = trace_service_pb2.ExportTracePartialSuccess(
            rejected_spans=refused, error_message="ids must have 16 and 8 bytes" if refused else ""
        )
        return trace_service_pb2.ExportTraceServiceResponse(partial_success=partial)

    def start(self) -> None:
        """Begin to take spans."""
        self._server.start()

    def stop(self) -> None:
        """Stop, and free the port."""
        self._server.stop(grace=0.5).wait()


def _span(told: dict[str, Any], span: Any) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        service=str(told.get("service.name") or UNKNOWN),
        process=str(told.get("neoforge.process", "")),
        instance=str(told.get("service.instance.id", "")),
        name=span.name[:LONGEST_TEXT],
        kind=span.kind,
        started_ns=span.start_time_unix_nano,
        ended_ns=max(span.start_time_unix_nano, span.end_time_unix_nano),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        message=span.status.message[:LONGEST_TEXT],
        attributes=dict(_values(span.attributes)),
        events=tuple(
            Event(event.name[:LONGEST_TEXT], event.time_unix_nano, dict(_values(event.attributes)))
            for event in span.events[:MOST_EVENTS]
        ),
        links=tuple(Link(link.trace_id.hex(), link.span_id.hex()) for link in span.links[:MOST_EVENTS]),
    )


def _values(attributes: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for pair, _ in zip(attributes, range(MOST_ATTRIBUTES), strict=False):
        yield pair.key[:LONGEST_TEXT], _value(pair.value)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind in {"bool_value", "int_value", "double_value"}:
        return getattr(value, kind)
    if kind == "array_value":
        return ", ".join(str(_value(each)) for each in value.array_value.values)[:LONGEST_TEXT]
    return str(getattr(value, kind))[:LONGEST_TEXT] if kind else ""
