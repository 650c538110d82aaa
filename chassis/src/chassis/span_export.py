"""OpenTelemetry's exporter with an encoder of ours: its own spends more on a span than all the rest of its life costs.

What it sends is the same to the byte (a test compares them), but for secrets, which it takes out of every text as the
log does; what it saves is copies of every message on each of four levels, and the encoding of attributes, which repeat:
most values are one of a few hundred.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from chassis.redaction import redact, redact_value

_KINDS: Final = 1
"""OTLP counts the kinds of spans from 1."""
_IS_REMOTE: Final = trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_HAS_IS_REMOTE: Final = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_REMEMBERED: Final = 4_096
_WITHOUT_VALUES: Final = frozenset({"db.query.text", "url.query"})
"""Attributes that are made of names alone, and would lose what stands behind one that tells of a secret."""


class SpanExporter(OTLPSpanExporter):
    """Sends spans over OTLP/gRPC, as OTEL_EXPORTER_OTLP_* says."""

    def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
        return encode(data)


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """Put the spans of one process into a request; all have its resource, and most the same scope."""
    request = ExportTraceServiceRequest()
    scopes: dict[Any, Any] = {}
    for span in spans:
        scope = scopes.get(span.instrumentation_scope)
        if scope is None:
            scope = scopes[span.instrumentation_scope] = _scope(request, span)
        _write(scope.spans.add(), span)
    return request


def _scope(request: Any, span: ReadableSpan) -> Any:
    """Add an empty scope like that of the span, encoded by OpenTelemetry."""
    like = encode_spans([span]).resource_spans[0]
    if not request.resource_spans:
        request.resource_spans.add().CopyFrom(like)
        scope = request.resource_spans[0].scope_spans[0]
    else:
        scope = request.resource_spans[0].scope_spans.add()
        scope.CopyFrom(like.scope_spans[0])
    scope.ClearField("spans")
    return scope


def _write(to: Any, span: ReadableSpan) -> None:
    context: Any = span.get_span_context()  # an ended span has one
    parent = span.parent
    to.trace_id, to.span_id = _ids(context)
    if context.trace_state:
        to.trace_state = _shown(context.trace_state.to_header())
    to.flags = _flags(parent)
    if parent is not None:
        to.parent_span_id = parent.span_id.to_bytes(8, "big")
    to.name = _shown(span.name)
    to.kind = span.kind.value + _KINDS
    to.start_time_unix_nano, to.end_time_unix_nano = span.start_time, span.end_time
    _add(to.attributes, span.attributes)
    for event in span.events:
        written = to.events.add(name=_shown(event.name), time_unix_nano=event.timestamp)
        _add(written.attributes, event.attributes)
    for link in span.links:
        trace_id, span_id = _ids(link.context)
        written = to.links.add(trace_id=trace_id, span_id=span_id, flags=_flags(link.context))
        _add(written.attributes, link.attributes)
    to.status.code = span.status.status_code.value
    if span.status.description:
        to.status.message = _shown(span.status.description)
    if span.dropped_attributes:
        to.dropped_attributes_count = span.dropped_attributes


def _ids(context: SpanContext) -> tuple[bytes, bytes]:
    return context.trace_id.to_bytes(16, "big"), context.span_id.to_bytes(8, "big")


def _flags(parent: SpanContext | None) -> int:
    return _HAS_IS_REMOTE | _IS_REMOTE if parent is not None and parent.is_remote else _HAS_IS_REMOTE


def _add(to: Any, attributes: Mapping[str, Any] | None) -> None:
    if attributes:
        # A view of what is no dict asks it for each value, which takes as long as all of the rest.
        held = attributes.copy() if isinstance(attributes, MappingProxyType) else attributes
        to.extend([_pair(key, type(value).__name__, value) for key, value in held.items()])


@lru_cache(maxsize=_REMEMBERED)
def _pair(key: str, kind: str, value: Any) -> KeyValue:
    """Encode an attribute; the type is a part of what it is remembered by, since 1 and True are equal."""
    pair = KeyValue(key=key)
    if kind == "str":
        pair.value.string_value = value if key in _WITHOUT_VALUES else redact_value(value, key)
    elif kind == "bool":
        pair.value.bool_value = value
    elif kind == "int":
        pair.value.int_value = value
    elif kind == "float":
        pair.value.double_value = value
    else:
        pair.value.array_value.SetInParent()  # an empty list is one too
        for each in value:
            pair.value.array_value.values.append(_pair(key, type(each).__name__, each).value)
    return pair


@lru_cache(maxsize=_REMEMBERED)
def _shown(text: str) -> str:
    return redact(text)
