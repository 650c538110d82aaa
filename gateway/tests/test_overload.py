"""Requests for which this process has no time."""

import logging
import re
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.admission import Admission
from gateway.overload import ADMIT_RATIO
from gateway.testing.edge import Edge

PATH = "/api/v1/projects"


@pytest.fixture
def no_place(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> Admission:
    """Have the gateway's limit reached, and nobody wait."""
    admission = edge.parts.admission
    monkeypatch.setattr("chassis.admission.QUEUE", 0)
    monkeypatch.setattr(admission, "limit", 0)
    monkeypatch.setattr(admission, "look", lambda *_: None)
    return admission


def test_what_there_is_no_place_for_is_a_503_that_says_when_to_come_back(
    no_place: Admission, ines: httpx.Client
) -> None:
    answer = ines.get(PATH)
    assert answer.status_code == 503
    assert answer.json()["type"].endswith("/overloaded")
    assert answer.headers.get_list("retry-after") in (["1"], ["2"], ["3"])
    assert answer.headers["x-trace-id"]
    assert "ratelimit" not in answer.headers  # it cost nothing


def test_of_refusals_in_an_overload_there_is_no_line_each_but_they_have_ids_and_are_counted(
    no_place: Admission, ines: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def counted(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    def refused() -> tuple[float, float]:
        errors = {"route": "unmatched", "class": "5xx"}
        return counted("admission_refusals_total"), counted("http_errors_total", **errors)

    monkeypatch.setattr(no_place, "overloaded", True)
    before = refused()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with caplog.at_level(logging.INFO, logger="gateway.access"):
        first = ines.get(PATH, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-Id": "mine"})
        second = ines.get(PATH)
    assert (first.status_code, first.json()["trace_id"], first.json()["request_id"]) == (503, trace, "mine")
    assert first.headers["content-security-policy"]
    assert second.headers["x-trace-id"] == second.json()["trace_id"] != trace
    assert refused() == (before[0] + 2, before[1] + 2)
    assert not [record for record in caplog.records if record.name == "gateway.access"]


def test_a_refusal_is_the_same_whether_or_not_the_layers_have_to_look_at_the_request(
    no_place: Admission, ines: httpx.Client
) -> None:
    def told(answer: httpx.Response) -> tuple[object, ...]:
        of_its_own = {"date", "retry-after", "x-request-id", "x-trace-id"}
        headers = sorted((name, value) for name, value in answer.headers.multi_items() if name not in of_its_own)
        ids = {"trace_id": answer.headers["x-trace-id"], "request_id": answer.headers["x-request-id"]}
        body = answer.json()
        assert {name: body.pop(name) for name in ids} == ids
        return answer.status_code, headers, body, answer.extensions["http_version"]

    path = "/api/v1/projects/a%20b?page_size=20"
    quick, looked_at = ines.get(path), ines.get(path, headers={"Content-Length": "0"})
    assert told(quick) == told(looked_at)
    assert quick.json()["instance"] == "/api/v1/projects/a b"


def test_requests_behind_each_other_on_a_connection_are_refused_in_their_order(no_place: Admission, edge: Edge) -> None:
    requests = [
        b"GET /api/v1/projects/1 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"POST /api/v1/projects/2 HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nabc",
        b"HEAD /api/v1/projects/3 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /api/v1/projects/4 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /api/v1/projects/5 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
    ]
    with socket.create_connection(("127.0.0.1", edge.port), 60) as connection:
        connection.sendall(b"".join(requests))
        answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answers.count(b"HTTP/1.1 503 ") == 5
    assert re.findall(rb'"instance":"/api/v1/projects/(.)"', answers) == [b"1", b"2", b"4", b"5"]


def test_browsers_of_other_origins_are_let_read_a_refusal(no_place: Admission, ines: httpx.Client) -> None:
    answer = ines.get(PATH, headers={"Origin": "https://console.example.test"})
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers.get("access-control-expose-headers", "")


def test_who_asks_whether_the_process_lives_is_always_answered(no_place: Admission, client: httpx.Client) -> None:
    for path in ("/health", "/ready", "/metrics"):
        assert "/overloaded" not in client.get(path).text


def test_a_request_holds_a_place_until_its_answer_and_none_while_its_client_is_slow(
    edge: Edge, ines: httpx.Client
) -> None:
    admission = edge.parts.admission
    half, go_on = threading.Event(), threading.Event()

    def body() -> Iterator[bytes]:
        yield b'{"name": '
        half.set()
        go_on.wait(60)
        yield b'"Slow"}'

    answers: list[httpx.Response] = []
    sending = threading.Thread(
        target=lambda: answers.append(
            ines.post(PATH, content=body(), headers={"Content-Type": "application/json", "Idempotency-Key": '"slow"'})
        )
    )
    sending.start()
    assert half.wait(60)
    assert ines.get(PATH).status_code == 200
    assert admission.in_progress == 0
    go_on.set()
    sending.join(60)
    assert answers[0].status_code == 201, answers[0].text
    assert admission.in_progress == 0


def test_a_gateway_that_is_overloaded_says_how_many_should_come_and_another_does_not(
    no_place: Admission, ines: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"Content-Length": "0"}
    assert ADMIT_RATIO.decode() not in ines.get(PATH).headers
    assert ADMIT_RATIO.decode() not in ines.get(PATH, headers=body).headers
    monkeypatch.setattr(no_place, "overloaded", True)
    monkeypatch.setattr(Admission, "ratio", 0.25)
    assert ines.get(PATH).headers[ADMIT_RATIO.decode()] == "0.25"
    assert ines.get(PATH, headers=body).headers[ADMIT_RATIO.decode()] == "0.25"
