"""One trace from the caller's span over the server's to the database's, and its id in every line of the log."""

from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from chassis.errors import RemoteError
from chassis.rpc import client
from chassis.testing.acting import Actor
from chassis.testing.otlp import OtlpReceiver, Span
from chassis.testing.process import ServiceProcess
from chassis.testing.specimen import Specimen

CLIENT, SERVER = 3, 2


async def test_a_trace_crosses_from_the_caller_over_the_service_into_the_database(
    otlp: OtlpReceiver,
    start_process: Callable[..., ServiceProcess],
    connect: Callable[..., Actor],
    specimen: Specimen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caller = f"caller {uuid4()}"
    provider = TracerProvider(resource=Resource({"service.name": caller}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(otlp.endpoint)))
    monkeypatch.setattr(client, "tracer", provider.get_tracer("test"))
    process = start_process(OTEL_EXPORTER_OTLP_ENDPOINT=otlp.endpoint, OTEL_BSP_SCHEDULE_DELAY="50").serving()
    act = connect(process.port)
    made = await act.made()
    with pytest.raises(RemoteError):
        await act(specimen.read(str(uuid4())), request_id="missing")

    name = act.client.path(specimen.create(1)[0])[1:]
    spans = of_trace(otlp, caller, name)
    (called,) = [span for span in spans if span.name == name and span.kind == CLIENT]
    (served,) = [span for span in spans if span.name == name and span.kind == SERVER]
    assert (called.service, called.parent) == (caller, "")
    assert (served.service, served.parent, served.trace_id) == (specimen.service.name, called.span_id, called.trace_id)
    statements = [span for span in spans if span.kind == CLIENT and span != called]
    assert {span.parent for span in statements} == {served.span_id}
    (inserted,) = [span for span in statements if span.name == f"INSERT {specimen.table.name}"]
    assert inserted.attributes["db.system.name"] == "postgresql"
    assert made.id not in inserted.attributes["db.query.text"]
    assert not any(span.failed for span in (called, served, inserted))

    missed = act.client.path(specimen.read("")[0])[1:]
    (asked,) = [span for span in of_trace(otlp, caller, missed) if span.name == missed and span.kind == SERVER]
    line = process.wait_for("failed")
    assert (line["request_id"], line["trace_id"], line["span_id"]) == ("missing", asked.trace_id, asked.span_id)
    assert not asked.failed  # the caller was wrong, not the service
    provider.shutdown()


def of_trace(otlp: OtlpReceiver, caller: str, name: str) -> list[Span]:
    """Give the spans of the caller's trace of a method, once both its ends are there; others use the receiver too."""

    def traced(spans: Sequence[Span]) -> list[Span]:
        ids = {span.trace_id for span in spans if (span.service, span.name) == (caller, name)}
        return [span for span in spans if span.trace_id in ids]

    return traced(otlp.wait_for(lambda all_: {s.kind for s in traced(all_) if s.name == name} == {CLIENT, SERVER}))


async def test_without_a_collector_calls_are_answered_and_log_lines_still_have_the_callers_trace_id(
    start_process: Callable[..., ServiceProcess],
    connect: Callable[..., Actor],
    specimen: Specimen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = TracerProvider()
    monkeypatch.setattr(client, "tracer", provider.get_tracer("test"))
    process = start_process().serving()
    act = connect(process.port)
    with provider.get_tracer("test").start_as_current_span("outer") as span, pytest.raises(RemoteError):
        await act(specimen.read(str(uuid4())))
    assert process.wait_for("failed")["trace_id"] == f"{span.get_span_context().trace_id:032x}"


async def test_a_collector_that_is_away_holds_up_no_call_and_no_exit(
    start_process: Callable[..., ServiceProcess], connect: Callable[..., Actor], specimen: Specimen
) -> None:
    # A port that nobody listens at, and spans enough to fill the exporter's queue many times over.
    process = start_process(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_BSP_MAX_QUEUE_SIZE="8",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4",
    ).serving()
    act = connect(process.port)
    made = await act.made()
    for _ in range(100):
        assert specimen.resource(await act(specimen.read(made.id), timeout_s=5)) == made
    process.send(15)
    process.wait_for("has stopped")
    assert process.ended() == 0
    assert not [line for line in process.logged if line["level"] in {"error", "critical"}]
