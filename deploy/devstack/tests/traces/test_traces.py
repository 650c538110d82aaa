"""The trace page, fed over OTLP and asked over HTTP."""

import http.client
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from devstack.traces import waterfall
from devstack.traces.receiver import Receiver
from devstack.traces.store import MOST_SPANS_OF_A_TRACE, Span, Store
from devstack.traces.web import Page

HOST = "127.0.0.1"
EVIL = "<script>alert(1)</script>\"'&"


@pytest.fixture
def store() -> Store:
    return Store(most_traces=5, most_spans=200)


@pytest.fixture
def receiver(store: Store) -> Iterator[Receiver]:
    running = Receiver(HOST, 0, store)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def page(store: Store) -> Iterator[Page]:
    running = Page(HOST, 0, store)
    running.start()
    yield running
    running.stop()


def span(
    trace_id: str = "", span_id: str = "", parent: str = "", start: int = 0, end: int = 1_000, **rest: Any
) -> Span:
    filled: dict[str, Any] = {
        "service": "gateway",
        "name": "GET",
        "kind": 2,
        "failed": False,
        "message": "",
        "attributes": {},
    }
    return Span(
        trace_id or uuid4().hex, span_id or uuid4().hex[:16], parent, started_ns=start, ended_ns=end, **filled | rest
    )


def ask(page: Page, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection(HOST, page.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, body


def export(receiver: Receiver, *spans: trace_pb2.Span, service: str = "projects", **told: str) -> Any:
    named = trace_pb2.ResourceSpans(scope_spans=[trace_pb2.ScopeSpans(spans=spans)])
    for key, value in {"service.name": service, **told}.items():
        named.resource.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    with grpc.insecure_channel(f"{HOST}:{receiver.port}") as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        return stub.Export(trace_service_pb2.ExportTraceServiceRequest(resource_spans=[named]), timeout=10)


def test_what_is_sent_over_otlp_is_shown_under_its_trace_id(receiver: Receiver, page: Page) -> None:
    sent = trace_pb2.Span(
        trace_id=bytes(range(16)),
        span_id=b"12345678",
        name="INSERT projects",
        kind=trace_pb2.Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=1_000_000_000,
        end_time_unix_nano=1_002_500_000,
        status=trace_pb2.Status(code=trace_pb2.Status.STATUS_CODE_ERROR, message="UniqueViolation"),
        links=[trace_pb2.Span.Link(trace_id=bytes(16), span_id=b"87654321")],
        events=[trace_pb2.Span.Event(name="exception", time_unix_nano=1_001_000_000)],
    )
    values = {
        "db.response.status_code": AnyValue(string_value="23505"),
        "rows": AnyValue(int_value=7),
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="a"), AnyValue(bool_value=True)])),
    }
    sent.attributes.extend(KeyValue(key=key, value=value) for key, value in values.items())
    export(receiver, sent)
    status, _, body = ask(page, f"/traces/{bytes(range(16)).hex()}")
    assert status == 200
    for shown in ("INSERT projects", "projects", "2.50 ms", "UniqueViolation", "23505", ">7<", "a, True", "exception"):
        assert shown in body, shown
    assert f'href="/traces/{"0" * 32}#{b"87654321".hex()}"' in body
    assert "INSERT projects" in ask(page, "/")[2]


def test_a_services_worker_is_told_from_its_server_and_one_process_from_another(receiver: Receiver, page: Page) -> None:
    for process, instance, id_ in (("serve", "host:41", b"87654321"), ("worker", "host:42", b"12345678")):
        made = trace_pb2.Span(trace_id=bytes(range(16)), span_id=id_, name=process)
        export(receiver, made, **{"neoforge.process": process, "service.instance.id": instance})
    body = ask(page, f"/traces/{bytes(range(16)).hex()}")[2]
    assert "<b>projects</b> serve" in body
    assert "<b>projects worker</b> worker" in body
    for shown in ("projects serve · host:41", "projects worker · host:42"):
        assert shown in body


def test_spans_with_ids_that_are_none_are_refused_and_the_others_kept(receiver: Receiver, store: Store) -> None:
    good = trace_pb2.Span(trace_id=bytes(16), span_id=b"12345678", name="good")
    told = export(receiver, good, trace_pb2.Span(trace_id=b"short", span_id=b"12345678", name="bad"))
    assert (told.partial_success.rejected_spans, store.counts) == (1, (1, 1))


def test_whatever_spans_hold_is_shown_as_text(page: Page, store: Store) -> None:
    bad = span(
        service=EVIL, name=EVIL, message=EVIL, failed=True, attributes={EVIL: EVIL, "http.response.status_code": EVIL}
    )
    store.add([bad])
    for path in ("/", f"/traces/{bad.trace_id}", "/?search=%3Cscript%3Ealert(1)%3C/script%3E%22%27"):
        status, headers, body = ask(page, path)
        assert status == 200
        assert "<script" not in body
        assert not re.search(r"(?:src|href)=\"https?:", body)
        assert "script-src" not in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_only_the_newest_traces_are_kept_and_one_that_goes_on_is_new(store: Store) -> None:
    kept = [span(f"{number:032x}") for number in range(1, 7)]
    store.add(kept[:5])
    store.add([span(kept[0].trace_id, parent=kept[0].span_id), kept[5]])
    assert [trace.id[-1] for trace in store.newest()] == ["6", "1", "5", "4", "3"]


def test_a_flood_of_spans_leaves_as_many_as_there_is_room_for() -> None:
    store = Store(most_traces=1_000, most_spans=100)
    for number in range(1, 500):
        store.add([span(f"{number:032x}") for _ in range(10)])
    assert store.counts == (10, 100)
    store.add(span("f" * 32) for _ in range(MOST_SPANS_OF_A_TRACE + 50))
    trace = store.get("f" * 32)
    assert trace is not None
    assert (len(trace.spans), trace.dropped, store.counts[0]) == (MOST_SPANS_OF_A_TRACE, 50, 1)


def test_a_list_is_searched_by_id_text_and_failure(page: Page, store: Store) -> None:
    route = "GET /api/v1/projects/{project_id}"
    found = span(name=route, attributes={"http.route": "/x", "http.response.status_code": 404, "user": "Ines"})
    failed = span(name="POST", failed=True, message="the database does not answer")
    store.add([found, failed])
    for query, expected in {
        f"search={found.trace_id[:12]}": [found],
        "search=ines": [found],
        "search=PROJECT_ID": [found],
        "search=database+does": [failed],
        "failed=1": [failed],
        "": [failed, found],
        "search=nothing+has+this": [],
    }.items():
        _, _, body = ask(page, f"/?{query}")
        assert list(dict.fromkeys(re.findall(r'href="/traces/([0-9a-f]{32})"', body))) == [s.trace_id for s in expected]


def test_a_search_for_a_whole_id_shows_that_trace_or_says_that_it_is_not_here(page: Page, store: Store) -> None:
    kept = span(name="GET")
    store.add([kept])
    for written in (kept.trace_id, kept.trace_id.upper(), f" {kept.trace_id} "):
        status, _, body = ask(page, f"/?search={quote(written)}")
        assert (status, "waterfall" in body) == (200, True)
    assert ask(page, f"/?search={'9' * 32}")[0] == 404


def test_what_has_no_route_is_called_by_its_path_or_by_its_job(page: Page, store: Store) -> None:
    store.add([span(name="GET", attributes={"url.path": "/nothing"})])
    store.add([span(name="send status.slow", attributes={"neoforge.job.kind": "status.probe"})])
    body = ask(page, "/")[2]
    assert "GET /nothing" in body
    assert "send status.slow status.probe" in body


def test_a_waterfall_has_each_span_below_its_parent_and_in_its_time(store: Store) -> None:
    root = span("a" * 32, "1" * 16, start=0, end=100)
    early = span("a" * 32, "2" * 16, root.span_id, start=10, end=30)
    late = span("a" * 32, "3" * 16, root.span_id, start=50, end=100)
    inner = span("a" * 32, "4" * 16, early.span_id, start=15, end=20)
    lost = span("a" * 32, "5" * 16, "9" * 16, start=60, end=70)
    store.add([inner, lost, late, early, root])
    trace = store.get("a" * 32)
    assert trace is not None
    laid = [(row.span.span_id[0], row.depth, row.left, row.width, row.orphan) for row in waterfall.rows(trace)]
    assert laid == [
        ("1", 0, 0, 100, False),
        ("2", 1, 10, 20, False),
        ("4", 2, 15, 5, False),
        ("3", 1, 50, 50, False),
        ("5", 0, 60, 10, True),
    ]


def test_spans_that_are_each_others_parents_are_shown_once_each(store: Store) -> None:
    store.add(
        [span("a" * 32, "1" * 16, "2" * 16), span("a" * 32, "2" * 16, "1" * 16), span("a" * 32, "3" * 16, "3" * 16)]
    )
    trace = store.get("a" * 32)
    assert trace is not None
    assert sorted(row.span.span_id[0] for row in waterfall.rows(trace)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("ns", "words"),
    [
        (0, "0"),
        (999, "1 µs"),
        (45_300, "45 µs"),
        (1_500_000, "1.50 ms"),
        (99_940_000, "99.9 ms"),
        (244e6, "244 ms"),
        (12_340_000_000, "12.3 s"),
    ],
)
def test_a_duration_has_three_digits(ns: float, words: str) -> None:
    assert waterfall.duration(int(ns)) == words


def test_what_is_not_there_says_so_and_other_hosts_names_are_refused(page: Page) -> None:
    assert ask(page, f"/traces/{'0' * 32}")[0] == 404
    assert ask(page, "/nothing")[0] == 404
    assert ask(page, "/health")[::2] == (200, '{"status":"ok"}')
    assert ask(page, "/", Host="evil.example:80")[0] == 403
    status, headers, body = ask(page, "/", method="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["Content-Length"]) > 0
    assert ask(page, "/page.css")[1]["Content-Type"].startswith("text/css")


def test_a_port_that_is_taken_is_named(receiver: Receiver, store: Store) -> None:
    with pytest.raises(OSError, match=f"cannot listen on {HOST}:{receiver.port}"):
        Receiver(HOST, receiver.port, store)
