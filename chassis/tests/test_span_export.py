from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from chassis.redaction import redact
from chassis.secret_places import tells
from chassis.span_export import encode

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=10).filter(
    lambda told: redact(told) == told and not tells(told, "any-1")
)
values: Any = st.one_of(
    text, st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.lists(text, max_size=3)
)
attributes = st.dictionaries(text.filter(bool), values, max_size=5)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.just(TraceFlags(TraceFlags.SAMPLED)),
    st.sampled_from([TraceState(), TraceState([("vendor", "1"), ("other", "2")])]),
)


@given(st.data())
def test_a_span_is_sent_byte_for_byte_as_opentelemetry_would_send_it(data: st.DataObject) -> None:
    spans = made(data)
    ours, theirs = encode(spans), encode_spans(spans)
    assert ours.SerializeToString(deterministic=True) == theirs.SerializeToString(deterministic=True)


def test_no_text_of_a_span_carries_a_secret() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "test"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for secret in ("/nope/password=hunter2", "/nope/whsec_hunter2hunter2", "a%20pw%3Dhunter2", "Bearer hunter2"):
        state = TraceState([("vendor", "whsec_hunter2hunter2")])
        context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED), trace_state=state)
        span = provider.get_tracer("one").start_span(
            secret,
            trace.set_span_in_context(trace.NonRecordingSpan(context)),
            attributes={
                "url.path": secret,
                "of.many": ["a", secret],
                "user_agent.original": secret,
                "session.id": "hunter2",
            },
            links=[Link(context, {"link": secret})],
        )
        span.add_event(secret, {"exception.message": secret})
        span.set_status(StatusCode.ERROR, secret)
        span.end()
    provider.shutdown()
    request = encode(exporter.get_finished_spans())
    assert b"hunter2" not in request.SerializeToString()
    span = request.resource_spans[0].scope_spans[0].spans[0]
    assert {each.key: each.value.string_value for each in span.attributes}["url.path"] == "/nope/password=[redacted]"


def test_statements_and_names_of_parameters_stay_as_they_are() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    told = {
        "db.query.text": "SELECT id FROM tokens WHERE token = %(token)s AND id = 1",
        "url.query": "token=REDACTED&a=REDACTED",
    }
    provider.get_tracer("one").start_span("SELECT tokens", attributes=told).end()
    (span,) = encode(exporter.get_finished_spans()).resource_spans[0].scope_spans[0].spans
    assert {each.key: each.value.string_value for each in span.attributes} == told


def made(data: st.DataObject) -> Sequence[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "test", "number": 1}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for scope in data.draw(st.lists(st.sampled_from(["one", "two"]), min_size=1, max_size=4)):
        parent = data.draw(st.none() | contexts)
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else None
        links = [Link(link, data.draw(attributes)) for link in data.draw(st.lists(contexts, max_size=2))]
        span = provider.get_tracer(scope).start_span(
            data.draw(text), context, data.draw(st.sampled_from(list(SpanKind))), data.draw(attributes), links
        )
        for _ in range(data.draw(st.integers(0, 2))):
            span.add_event(data.draw(text), data.draw(attributes))
        if data.draw(st.booleans()):
            span.set_status(StatusCode.ERROR, data.draw(st.none() | text))
        span.end()
    provider.shutdown()
    return exporter.get_finished_spans()
