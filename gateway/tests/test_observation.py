import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from prometheus_client import REGISTRY

from chassis.errors import Unavailable
from chassis.logs import JsonFormatter
from chassis.testing.waiting import wait_for
from gateway.observation import new_id
from gateway.testing.servicer import StandInProjects

PATH = "/api/v1/projects"
ITEM = PATH + "/{project_id}"
UNUSED = "018f0000-0000-7000-9000-0000000000ff"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("gateway.observation.tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", f"{PATH}/{UNUSED}", f"GET {ITEM}", 404),
        ("GET", f"{PATH}?page=x", f"GET {PATH}", 422),
        ("POST", PATH, f"POST {PATH}", 400),
        ("PUT", PATH, f"PUT {PATH}", 405),
        ("GET", "/nothing/here", "GET", 404),
    ],
)
def test_a_span_is_named_by_the_route_whatever_the_answer(
    ines: httpx.Client, spans: InMemorySpanExporter, method: str, path: str, name: str, status: int
) -> None:
    ines.request(method, path)
    wait_for(spans.get_finished_spans)  # it ends after the answer was sent
    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert span.name == name
    assert attributes["http.response.status_code"] == status
    assert attributes["http.request.method"] == method
    assert attributes["url.path"] == path.partition("?")[0]
    assert attributes.get("http.route", "") == name.partition(" ")[2]
    assert span.status.is_ok or span.status.is_unset


@pytest.fixture
def unsampled(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=ParentBased(ALWAYS_OFF))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("gateway.observation.tracer", provider.get_tracer("test"))
    yield exporter
    provider.shutdown()


def test_of_a_trace_that_is_not_sampled_what_failed_is_recorded_all_the_same(
    ines: httpx.Client, projects: StandInProjects, unsampled: InMemorySpanExporter
) -> None:
    ines.get(f"{PATH}/{UNUSED}")
    projects.fail_next.extend([Unavailable("gone")] * 2)
    answer = ines.get(PATH)
    assert answer.status_code == 503
    wait_for(unsampled.get_finished_spans)
    (span,) = unsampled.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == answer.headers["X-Trace-Id"]
    attributes = dict(span.attributes or {})
    assert (span.name, attributes["http.response.status_code"]) == (f"GET {PATH}", 503)
    assert (attributes["error.type"], span.status.is_ok) == ("503", False)


def test_of_a_trace_that_is_not_sampled_a_slow_request_is_recorded_all_the_same(
    ines: httpx.Client, unsampled: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.observation.SLOW_S", 0.0)
    answer = ines.get(PATH)
    wait_for(unsampled.get_finished_spans)
    (span,) = unsampled.get_finished_spans()
    assert span.start_time is not None
    assert span.end_time is not None
    assert (answer.status_code, span.end_time > span.start_time) == (200, True)


@pytest.mark.parametrize(
    ("query", "written"),
    [("page=2&text=secret+words", "page=REDACTED&text=REDACTED"), ("tok3n-Value&page=1", "page=REDACTED")],
)
def test_a_span_has_the_names_of_parameters_and_not_their_values(
    ines: httpx.Client, spans: InMemorySpanExporter, query: str, written: str
) -> None:
    ines.get(f"{PATH}?{query}", headers={"User-Agent": "curl/8"})
    wait_for(spans.get_finished_spans)
    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert (attributes["url.query"], attributes["user_agent.original"]) == (written, "curl/8")
    assert (attributes["server.address"], attributes["network.protocol.version"]) == ("127.0.0.1", "1.1")


def test_a_method_that_nobody_knows_names_no_span(ines: httpx.Client, spans: InMemorySpanExporter) -> None:
    ines.request("PROPFIND", PATH)
    wait_for(spans.get_finished_spans)
    (span,) = spans.get_finished_spans()
    attributes = dict(span.attributes or {})
    assert (span.name.partition(" ")[0], attributes["http.request.method"]) == ("HTTP", "_OTHER")
    assert attributes["http.request.method_original"] == "PROPFIND"


def test_the_callers_trace_goes_on_to_the_service(ines: httpx.Client, projects: StandInProjects) -> None:
    answer = ines.get(PATH, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    assert answer.headers["X-Trace-Id"] == TRACE
    assert projects.calls[-1][2]["traceparent"].split("-")[1] == TRACE


def test_a_broken_traceparent_starts_a_new_trace(ines: httpx.Client) -> None:
    for parent in ("", "00-zz-1-01", f"00-{'0' * 32}-00f067aa0ba902b7-01"):
        assert re.fullmatch(r"[0-9a-f]{32}", ines.get(PATH, headers={"traceparent": parent}).headers["X-Trace-Id"])


def test_probes_make_no_spans(client: httpx.Client, spans: InMemorySpanExporter) -> None:
    for path in ("/health", "/ready", "/metrics"):
        assert "X-Request-Id" in client.get(path).headers
    assert not spans.get_finished_spans()


@pytest.mark.parametrize("given", ["abc.DEF-1_2", "x" * 128])
def test_a_sane_request_id_is_kept(ines: httpx.Client, projects: StandInProjects, given: str) -> None:
    assert ines.get(PATH, headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    assert projects.calls[-1][2]["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "<script>", "a\tb", "nft_0123456789abcdefghijklmnop"])
def test_any_other_is_replaced(ines: httpx.Client, given: str) -> None:
    made = ines.get(PATH, headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", made)


def test_ids_sort_by_time_and_differ() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert len(set(ids)) == 1_000
    assert [i[:13] for i in ids] == sorted(i[:13] for i in ids)


def test_every_request_has_one_log_line_with_its_ids(ines: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    formatter, lines = JsonFormatter("gateway"), []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(formatter.format(record)))

    access = logging.getLogger("gateway.access")
    access.addHandler(keep := Keep())
    access.setLevel(logging.INFO)
    try:
        answer = ines.get(f"{PATH}/{UNUSED}", headers={"X-Forwarded-For": "198.51.100.9"})
        wait_for(lambda: lines)
    finally:
        access.removeHandler(keep)
    (line,) = lines
    assert line["request_id"] == answer.headers["X-Request-Id"]
    assert line["trace_id"] == answer.headers["X-Trace-Id"]
    assert (line["route"], line["status"], line["client"], line["method"]) == (ITEM, 404, "198.51.100.9", "GET")


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_the_gateway_has_no_metrics_of_what_only_services_have() -> None:
    """In a process of its own: here the stand-in service has registered its own."""
    program = "import gateway.serving, prometheus_client as p; print(p.generate_latest().decode())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "http_server_request_duration_seconds" in told
    for name in ("database_", "idempotency_outcomes", "rpc_server_", "job_", "mails_", "webhook_"):
        assert f"\n# TYPE {name}" not in told


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/openapi.json", "/openapi.json"),
        ("GET", "/problems/not-found", "/problems/{name}"),
        ("GET", "/docs/assets/swagger-ui.css", "/docs/assets/{path}"),
        ("POST", "/csp-reports", "/csp-reports"),
    ],
)
def test_pages_and_reports_of_browsers_are_counted_by_their_own_templates(
    client: httpx.Client, method: str, path: str, template: str
) -> None:
    def counted() -> float:
        labels = {"method": method, "route": template, "class": "2xx"}
        return count("http_server_request_duration_seconds_count", **labels)

    before = counted()
    client.request(method, path).raise_for_status()
    wait_for(lambda: counted() == before + 1)


def test_metrics_have_route_templates_and_classes(ines: httpx.Client, client: httpx.Client) -> None:
    errors = count("http_errors_total", route=ITEM, **{"class": "4xx"})
    unmatched = count("http_errors_total", route="unmatched", **{"class": "4xx"})
    ines.get(f"{PATH}/{UNUSED}")
    client.get("/wp-login.php")
    wait_for(lambda: count("http_errors_total", route=ITEM, **{"class": "4xx"}) == errors + 1)
    wait_for(lambda: count("http_errors_total", route="unmatched", **{"class": "4xx"}) == unmatched + 1)
    exposition = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert exposition.headers["Content-Type"].startswith("application/openmetrics-text")
    assert UNUSED not in exposition.text
    assert "wp-login" not in exposition.text
    wait_for(lambda: count("http_server_requests_in_progress") == 0)


def test_metrics_are_openmetrics_for_who_asks_and_prometheus_text_for_others(client: httpx.Client) -> None:
    assert client.get("/metrics").headers["Content-Type"].startswith("text/plain; version=0.0.4")
    asked = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"})
    assert asked.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")


def test_a_latency_has_the_trace_of_a_sampled_request_as_its_exemplar(
    ines: httpx.Client, client: httpx.Client, spans: InMemorySpanExporter
) -> None:
    trace_id = ines.get(f"{PATH}/{UNUSED}").headers["X-Trace-Id"]
    wait_for(spans.get_finished_spans)
    exposition = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}).text
    assert re.search(rf'duration_seconds_bucket\{{class="4xx",.*# \{{trace_id="{trace_id}"\}}', exposition)


def test_a_method_that_nobody_knows_makes_no_label_of_its_own(client: httpx.Client) -> None:
    labels = {"method": "other", "route": "unmatched", "class": "4xx"}
    before = count("http_server_request_duration_seconds_count", **labels)
    client.request("PROPFIND", "/nothing/here")
    wait_for(lambda: count("http_server_request_duration_seconds_count", **labels) == before + 1)
    assert "PROPFIND" not in client.get("/metrics").text
