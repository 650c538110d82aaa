"""A real OTLP/gRPC endpoint that keeps the spans it is sent, for tests of traces."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

WAIT_S: Final = 30.0


@dataclass(frozen=True)
class Span:
    """A span as it arrived; ids are hex, `parent` is empty at a root."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent: str
    kind: int
    attributes: dict[str, Any]
    failed: bool
    links: tuple[str, ...]
    """The ids of the spans that it links to, in whatever trace they are."""
    events: tuple[str, ...]
    started_ns: int
    ended_ns: int


class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Receives spans on a loopback port of its own while the context lasts."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._spans: list[Span] = []
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    @property
    def endpoint(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT must be."""
        return f"http://127.0.0.1:{self.port}"

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - the RPC's name
        """Keep the spans of one export."""
        del context
        with self._arrived:
            self._spans += spans_of(request)
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self, trace_id: str = "") -> list[Span]:
        """Give what has arrived, of one trace if it is named."""
        with self._arrived:
            return [span for span in self._spans if trace_id in {"", span.trace_id}]

    def wait_for(self, complete: Callable[[Sequence[Span]], bool], trace_id: str = "") -> list[Span]:
        """Give the spans as soon as they are complete.

        Raises:
            TimeoutError: they are not within half a minute; it names those that came.
        """
        deadline = time.monotonic() + WAIT_S
        with self._arrived:
            while True:
                found = [span for span in self._spans if trace_id in {"", span.trace_id}]
                if complete(found):
                    return found
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"only these spans came: {[(s.service, s.name) for s in found]}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=1).wait()


def spans_of(request: Any) -> list[Span]:
    """Give the spans in an ExportTraceServiceRequest."""
    return [
        _span(resource.resource, span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _span(resource: Any, span: Any) -> Span:
    return Span(
        service=_values(resource.attributes).get("service.name", ""),
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        attributes=_values(span.attributes),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        links=tuple(link.span_id.hex() for link in span.links),
        events=tuple(event.name for event in span.events),
        started_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in attributes}
