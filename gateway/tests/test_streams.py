"""Streams of events: what a client sees of them, and how they begin and end."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.testing.waiting import wait_for
from gateway.testing.edge import Edge
from gateway.testing.listener import Listener
from gateway.testing.public import a_page
from gateway.testing.watching import OPENED, TICKET, StandInTickets, bodies, entry_id
from neoforge.status.v1 import page_pb2

STREAM = f"/api/v1/support/tickets/{TICKET}/stream"
ROUTE = "/api/v1/support/tickets/{ticket_id}/stream"
STATUS = "/api/v1/status/stream"
INES = UUID("018f0000-0000-7000-8000-000000000001")
TOMAS = UUID("018f0000-0000-7000-8000-000000000002")


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition("/")[2]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_stream_begins_with_the_ticket_and_tells_each_thing_that_happens_as_one_event(
    mine: httpx.Client, reply: Callable[[str], None]
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events, "the ticket")
        reply("Have you\ntried?")
        listener.until(lambda it: len(it.events) == 2)
    begun, replied = listener.events
    assert (begun.name, begun.id, begun.data["ticket"]["subject"]) == ("ticket", OPENED, "It is broken")
    assert (replied.name, replied.id, replied.data["message"]["body"]) == ("replied", entry_id(0), "Have you\ntried?")
    assert replied.data["entry"]["event"] == "replied"
    assert replied.data["ticket"]["id"] == TICKET
    assert 1_000 <= int(listener.retry) <= 3_000


def test_the_answer_is_a_stream_that_nobody_keeps_collects_or_packs(mine: httpx.Client) -> None:
    with Listener(mine, STREAM, **{"Accept-Encoding": "gzip", "If-None-Match": "*"}) as listener:
        headers = listener.answer.headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert len(headers["X-Trace-Id"]) == 32
    assert headers["X-Request-Id"]
    assert headers["RateLimit"].startswith('"reads";r=2999;')  # it costs one read, at its beginning
    assert not headers.keys() & {"etag", "content-encoding", "content-length", "age", "cache-status"}


def test_a_page_of_another_origin_may_go_on_where_it_was(live: Edge, mine: httpx.Client) -> None:
    origin = {"Origin": "https://console.example.test"}
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization, last-event-id"}
    assert mine.options(STREAM, headers=origin | asked).status_code == 200
    with Listener(mine, STREAM, **origin) as listener:
        assert listener.answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]


def test_who_comes_back_goes_on_after_the_last_event_that_they_had(
    mine: httpx.Client, reply: Callable[[str], None], tickets: StandInTickets
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.last_id)
        reply("one")
        listener.until(lambda it: len(it.events) == 2)
    for body in ("two", "three"):
        reply(body)
    with Listener(mine, STREAM, listener.last_id) as again:
        again.until(lambda it: len(it.events) == 2)
        reply("four")
        again.until(lambda it: len(it.events) == 3)
    assert bodies(listener) + bodies(again) == ["one", "two", "three", "four"]
    assert tickets.after == ["", entry_id(0)]


def test_who_left_before_anything_happened_goes_on_from_where_they_began(
    mine: httpx.Client, reply: Callable[[str], None]
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.last_id)
    reply("one")
    with Listener(mine, STREAM, listener.last_id) as again:
        again.until(bodies)
    assert [event.name for event in again.events] == ["replied"]


def test_an_id_that_is_none_of_the_ticket_has_the_client_read_again(mine: httpx.Client) -> None:
    with Listener(mine, STREAM, "018f0000-0000-7000-b000-000000000001") as listener:
        listener.until(lambda it: it.events)
    assert [(event.name, event.id) for event in listener.events] == [("reset", OPENED)]


def test_a_silent_stream_shows_that_it_lives(mine: httpx.Client, set_live: Callable[..., None]) -> None:
    set_live(stream_heartbeat_s=0.1)
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.comments >= 3, "heartbeats")
    assert len(listener.events) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


def test_what_is_refused_is_a_problem_before_anything_is_sent(
    live: Edge, mine: httpx.Client, nobody: httpx.Client
) -> None:
    elsewhere = STREAM.replace(TICKET, OPENED)
    assert problem(nobody.get(STREAM)) == (401, "unauthenticated")
    assert problem(mine.get(elsewhere)) == (404, "not-found")
    assert problem(mine.get(STREAM + "?x=1")) == (422, "invalid-fields")
    assert problem(mine.get(STREAM, headers={"Last-Event-ID": "seven"})) == (400, "malformed-last-event-id")
    assert problem(nobody.get(STATUS, headers={"Last-Event-ID": '"7"'})) == (400, "malformed-last-event-id")
    answer = mine.post(STREAM)
    assert (problem(answer), answer.headers["Allow"]) == ((405, "method-not-allowed"), "GET, HEAD, OPTIONS")
    assert not live.parts.streams._by_caller


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/event-stream", 200),
        ("text/*", 200),
        ("application/json, */*;q=0.1", 200),
        ("application/json", 406),
        ("text/event-stream;q=0, */*", 406),
    ],
)
def test_a_client_gets_a_stream_only_if_it_takes_one(mine: httpx.Client, accept: str, status: int) -> None:
    assert mine.head(STREAM, headers={"Accept": accept}).status_code == status


def test_head_is_answered_as_get_without_a_stream(live: Edge, mine: httpx.Client, tickets: StandInTickets) -> None:
    answer = mine.head(STREAM)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "text/event-stream", b"")
    assert mine.head(STREAM.replace(TICKET, OPENED)).status_code == 404
    wait_for(lambda: not tickets.happened.open)
    wait_for(lambda: not live.parts.streams._by_caller)


def test_who_says_how_long_they_wait_for_the_beginning_of_a_stream_gets_their_504_by_then(
    live: Edge, mine: httpx.Client, tickets: StandInTickets, set_live: Callable[..., None]
) -> None:
    set_live(call_timeout_s=600)
    live.do(lambda: setattr(tickets, "hold", asyncio.Event()))
    answer = mine.get(STREAM, headers={"Prefer": "wait=1"}, timeout=30)
    assert problem(answer) == (504, "deadline-exceeded")
    assert answer.headers["Preference-Applied"] == "wait=1"


def test_options_name_what_can_be_done(nobody: httpx.Client) -> None:
    assert nobody.options(STREAM).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_one_person_follows_so_many_streams_and_another_may_still_follow_one(
    person: Callable[..., httpx.Client], mine: httpx.Client, set_live: Callable[..., None]
) -> None:
    set_live(streams_per_person=1)
    with Listener(mine, STREAM):
        refused = mine.get(STREAM)
        assert problem(refused) == (429, "too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0
        with Listener(person(TOMAS), STREAM):
            pass
    wait_for(lambda: mine.head(STREAM).status_code == 200, what="a free place")


def test_one_address_follows_so_many_public_streams(
    live: Edge, nobody: httpx.Client, set_live: Callable[..., None]
) -> None:
    set_live(streams_per_address=1)
    live.do(lambda: live.service.status.page.watched.tell(page_pb2.WatchPageResponse(page=a_page())))
    with Listener(nobody, STATUS):
        assert problem(nobody.get(STATUS)) == (429, "too-many-streams")


def test_a_process_keeps_so_many_streams_open(
    person: Callable[..., httpx.Client], mine: httpx.Client, set_live: Callable[..., None]
) -> None:
    set_live(streams=1)
    with Listener(mine, STREAM):
        refused = person(TOMAS).get(STREAM)
        assert problem(refused) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        assert mine.get("/api/v1/projects").status_code == 200  # others are no matter


def test_who_has_no_identity_leaves_a_fifth_of_the_places_to_people(
    live: Edge, mine: httpx.Client, nobody: httpx.Client, set_live: Callable[..., None]
) -> None:
    set_live(streams=5, streams_per_address=5)
    live.do(lambda: live.service.status.page.watched.tell(page_pb2.WatchPageResponse(page=a_page())))
    with ExitStack() as listeners:
        for _ in range(4):
            listeners.enter_context(Listener(nobody, STATUS))
        assert problem(nobody.get(STATUS)) == (503, "overloaded")
        with Listener(mine, STREAM) as listener:
            assert listener.answer.status_code == 200
    wait_for(lambda: not live.parts.streams._by_caller)
    assert live.parts.streams._of_addresses == 0


def test_a_penalised_address_begins_no_stream(
    live: Edge, nobody: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = live.parts.limiter.take

    async def penalised(*arguments: Any) -> Any:
        return replace(await take(*arguments), penalty_us=60_000_000)

    monkeypatch.setattr(live.parts.limiter, "take", penalised)
    refused = nobody.get(STATUS)
    assert problem(refused) == (429, "address-penalised")
    assert int(refused.headers["Retry-After"]) == 60
    assert not live.service.status.page.watched.calls


def test_a_quota_that_is_used_up_is_a_429_before_the_stream(
    live: Edge, mine: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = replace(live.parts.tiers["reads"], quota=1, window_s=100_000)
    monkeypatch.setitem(live.parts.tiers, "reads", reads)  # type: ignore[misc] # a dict
    with Listener(mine, STREAM):
        assert problem(mine.get(STREAM)) == (429, "quota-exceeded")


# --- how they are seen ------------------------------------------------------------------------------------------------


def test_an_open_stream_holds_no_place_and_is_measured_to_its_beginning(
    live: Edge, mine: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    labels = {"method": "GET", "route": ROUTE, "class": "2xx"}
    before = counted("http_server_request_duration_seconds_count", **labels)
    with caplog.at_level(logging.INFO):
        with Listener(mine, STREAM) as listener:
            listener.until(lambda it: it.events)
            assert live.parts.admission.in_progress == 0
            assert counted("streams_open", route=ROUTE) == 1
            wait_for(lambda: counted("http_server_request_duration_seconds_count", **labels) == before + 1)
            assert [r for r in caplog.records if r.name == "gateway.access" and r.__dict__["route"] == ROUTE]
        (line,) = wait_for(lambda: [r for r in caplog.records if r.name == "gateway.streams"])
    wait_for(lambda: counted("streams_open", route=ROUTE) == 0)
    assert (line.__dict__["reason"], line.__dict__["events"], line.__dict__["route"]) == ("left", 1, ROUTE)
    assert counted("http_server_request_duration_seconds_count", **labels) == before + 1


def test_the_description_of_the_api_tells_of_streams(live: Edge, nobody: httpx.Client) -> None:
    described = json.loads(nobody.get("/openapi.json").content)["paths"]
    for path in (ROUTE, STATUS):
        operation = described[path]["get"]
        assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
        assert [p["name"] for p in operation["parameters"] if p["in"] == "header"] == ["Last-Event-ID"]
        assert {"400", "406", "429", "503"} <= operation["responses"].keys()
        assert "304" not in operation["responses"]
        assert "412" not in operation["responses"]
