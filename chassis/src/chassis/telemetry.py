"""Traces: OpenTelemetry, exported over OTLP when an endpoint is set, never in anyone's way when it does not answer.

The standard OTEL_* variables apply (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, ...).
"""

import logging
import os
import secrets
import socket
import traceback
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.redaction import redact
from chassis.sampling import RATIO

tracer = trace.get_tracer("neoforge")
propagator = TraceContextTextMapPropagator()
"""W3C Trace Context, the only format spoken between NeoForge's parts."""

_EXPORT_TIMEOUT_S: Final = 2.0
"""How long a collector may take for a batch, which is then dropped, where OTEL_EXPORTER_OTLP_TIMEOUT does not say."""


def setup(service: str, version: str, process: str = "serve") -> None:
    """Give this process a tracer provider: exporting when an OTLP endpoint is set, else one that only makes ids.

    `process` is what it does for the service, `serve` or `worker`: as the label of its metrics.
    """
    resource = Resource.create(
        {
            "service.name": service,
            "service.namespace": "neoforge",
            "service.version": version,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
            "neoforge.process": process,
        }
    )
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        # An unsampled span still has a trace id, for logs and X-Trace-Id, and costs next to nothing.
        trace.set_tracer_provider(TracerProvider(resource=resource, sampler=ALWAYS_OFF))
        return
    # Imported here, since a process without a collector should not carry the exporter's memory.
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from chassis.span_export import SpanExporter  # noqa: PLC0415

    # A collector that is away is the operator's business, not a line per batch in every process's log.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    logging.getLogger("opentelemetry.sdk").setLevel(logging.ERROR)
    told = os.environ.get("OTEL_TRACES_SAMPLER")
    provider = TracerProvider(resource=resource, sampler=None if told else ParentBased(TraceIdRatioBased(RATIO)))
    provider.add_span_processor(BatchSpanProcessor(SpanExporter(timeout=_export_timeout_s())))
    trace.set_tracer_provider(provider)


def _export_timeout_s() -> float | None:
    """Give how long a batch may take; None where the exporter reads it from the environment itself."""
    told = {"OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"} & os.environ.keys()
    return None if told else _EXPORT_TIMEOUT_S


def address(host_and_port: str) -> dict[str, str | int]:
    """Give `host:port` as the attributes `server.address` and `server.port`; what has no port is an address alone."""
    host, colon, port = host_and_port.rpartition(":")
    if not colon or not port.isdigit():
        return {"server.address": host_and_port}
    return {"server.address": host.strip("[]"), "server.port": int(port)}


def untraced() -> tuple[str, str]:
    """Give the metadata by which a call that repeats all day, and is nobody's request, asks for no spans."""
    return "traceparent", f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def sampled_after_all(context: SpanContext) -> Context:
    """Give a context whose spans are recorded in the trace of one that is not, for what turned out worth it."""
    kept = SpanContext(context.trace_id, context.span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(kept), Context())


def fail(span: Span, error_type: str, description: str | None = None) -> None:
    """Mark a span as failed (semantic conventions, Recording errors); the description says what the type does not."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR, redact(description) if description else None)


def fail_by_type(span: Span, failure: BaseException) -> None:
    """Mark a span as failed by the name of an exception."""
    fail(span, type(failure).__name__)


class within:  # noqa: N801 - used as a statement, like those of contextlib
    """Make a span current until the end of the block, and end it.

    OpenTelemetry's own `start_as_current_span` takes twice as long for that, and has its own opinion about exceptions.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> Span:
        self._token = context.attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *_: object) -> None:
        context.detach(self._token)
        self._span.end()


class calling:  # noqa: N801 - as above
    """Surround what another part is asked for with a client's span, where a trace is recorded.

    An exception of `faults` is the span's error, in the words of `describe`, and goes on.
    """

    __slots__ = ("_attributes", "_describe", "_faults", "_name", "_span", "_within")

    def __init__(
        self,
        name: str,
        attributes: Mapping[str, str | int],
        faults: type[BaseException] | tuple[type[BaseException], ...],
        describe: Callable[[Span, BaseException], None] = fail_by_type,
    ) -> None:
        self._name, self._attributes = name, attributes
        self._faults, self._describe = faults, describe
        self._within: within | None = None

    def __enter__(self) -> Span:
        if not trace.get_current_span().is_recording():
            return INVALID_SPAN
        self._span = tracer.start_span(self._name, kind=SpanKind.CLIENT, attributes=self._attributes)
        self._within = within(self._span)
        return self._within.__enter__()

    def __exit__(self, _: object, failure: BaseException | None, __: object) -> None:
        if self._within is not None:
            if isinstance(failure, self._faults):
                self._describe(self._span, failure)
            self._within.__exit__()


def record(span: Span, failure: BaseException) -> None:
    """Keep an exception with its traceback on a span, without the secrets in them."""
    if span.is_recording():
        span.add_event(
            "exception",
            {
                "exception.type": type(failure).__qualname__,
                "exception.message": redact(str(failure)),
                "exception.stacktrace": redact("".join(traceback.format_exception(failure))),
            },
        )


def flush() -> None:
    """Send the spans that still wait, for at most two seconds."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(int(_EXPORT_TIMEOUT_S * 1000))


def trace_id() -> str:
    """The current trace's id in hex, or an empty text outside of any."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else ""
