"""The spans that code under test makes in the test's own process."""

from contextlib import AbstractContextManager

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span as OpenSpan

from chassis.span_export import encode
from chassis.testing.otlp import Span, spans_of


class Spans:
    """Records what its tracer makes; `tracer` is to be put in the place of the product's own."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def cause(self) -> AbstractContextManager[OpenSpan]:
        """Begin what spans are to be made in: there are none outside of a trace."""
        return self.tracer.start_as_current_span("the cause")

    def made(self) -> list[Span]:
        """Give the spans that have ended, as a collector would receive them, without the cause."""
        ended = self._exporter.get_finished_spans()
        return [span for span in spans_of(encode(ended)) if span.name != "the cause"] if ended else []
