from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hooked.owner import Owner
from hooked.service import WEBHOOKS
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY

from chassis.testing.receiver import Receiver, answer


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for module in ("chassis.jobs.consumer", "chassis.webhooks.delivery"):
        monkeypatch.setattr(f"{module}.tracer", tracer)

    def cause() -> Any:
        return tracer.start_as_current_span("the causing request")

    exporter.cause = cause  # type: ignore[attr-defined] # what a test starts its trace by
    yield exporter
    provider.shutdown()


async def test_a_delivery_is_in_the_trace_of_its_cause_and_shows_no_secret_of_the_url(
    owner: Owner, receiver: Receiver, spans: Any
) -> None:
    receiver.answers.append(answer(500))
    await owner.make(f"http://127.0.0.1:{receiver.port}/services/T0KEN?key=K3Y")
    with spans.cause() as cause:
        await owner.announce()
    await owner.run_jobs()
    (sent,) = [s for s in spans.get_finished_spans() if s.kind is SpanKind.CLIENT and s.name == "POST"]
    assert sent.context.trace_id == cause.get_span_context().trace_id
    assert (sent.attributes["http.response.status_code"], sent.attributes["error.type"]) == (500, "500")
    assert sent.attributes["server.port"] == receiver.port
    assert sent.attributes["url.full"] == f"http://127.0.0.1:{receiver.port}/REDACTED"
    assert not any(secret in str(dict(sent.attributes)) for secret in ("T0KEN", "K3Y", "whsec"))
    assert "traceparent" not in receiver.arrived[0].headers


async def test_a_retry_hours_later_is_in_the_same_trace(owner: Owner, receiver: Receiver, spans: Any) -> None:
    receiver.answers.append(answer(500))
    await owner.make(receiver.url)
    with spans.cause() as cause:
        await owner.announce()
    await owner.run_jobs()
    await owner.later(timedelta(hours=1))
    sent = [s for s in spans.get_finished_spans() if s.kind is SpanKind.CLIENT and s.name == "POST"]
    assert [s.attributes.get("http.request.resend_count") for s in sent] == [None, 1]
    assert {s.context.trace_id for s in sent} == {cause.get_span_context().trace_id}


async def test_a_setting_tells_receivers_the_trace(
    owner: Owner, receiver: Receiver, spans: Any, stored: Callable[[str], list[Any]]
) -> None:
    await owner.make(receiver.url)
    await owner.announce()
    ((payload,),) = stored("SELECT payload FROM hooked.outbox")
    settings = owner.house.settings.model_copy(update={"webhook_send_traceparent": True})
    deliveries = WEBHOOKS.deliveries(replace(owner.house, settings=settings))
    await deliveries.attempt(UUID(payload["message_id"]), payload["turn"], owner.house.database.transaction)
    (sent,) = spans.get_finished_spans()
    assert f"{sent.context.trace_id:032x}" in receiver.arrived[0].headers["traceparent"]


async def test_deliveries_and_disabled_endpoints_are_counted(owner: Owner, receiver: Receiver) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    def counts() -> list[float]:
        outcomes = [counted("webhook_deliveries_total", outcome=o) for o in ("delivered", "retried", "gone", "dropped")]
        return [
            *outcomes,
            counted("webhook_endpoints_disabled_total", reason="gone"),
            counted("webhook_delivery_duration_seconds_count"),
        ]

    before = counts()
    receiver.answers += [answer(200), answer(500), answer(410)]
    await owner.make(receiver.url)
    for _ in range(4):
        await owner.announce()
    await owner.run_jobs()
    assert [after - was for after, was in zip(counts(), before, strict=True)] == [1, 1, 1, 1, 1, 3]
