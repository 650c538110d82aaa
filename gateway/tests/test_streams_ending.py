"""Streams of events: how they end, and what goes on without them."""

import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.embedded.redis import Redis
from chassis.errors import Forbidden, NotFound, Unavailable
from chassis.testing.waiting import wait_for
from gateway.problems import Problem
from gateway.testing.edge import HERE, Edge
from gateway.testing.issuer import StandInIssuer
from gateway.testing.listener import Listener
from gateway.testing.public import a_page
from gateway.testing.watching import TICKET, StandInTickets, bodies, entry_id
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


# --- how they end -----------------------------------------------------------------------------------------------------


class Revoked:
    """What the auth service would tell."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.known = True

    def refuses(self, id_: str) -> bool:
        if not self.known:
            raise Problem("UNAVAILABLE", "nobody knows")
        return id_ in self.ids


@pytest.fixture
def revoked(live: Edge, monkeypatch: pytest.MonkeyPatch) -> Revoked:
    made = Revoked()
    monkeypatch.setattr(live.parts.authenticator, "_revocations", made)
    return made


def test_a_stream_ends_when_its_session_is_revoked_and_no_other_does(
    person: Callable[..., httpx.Client], revoked: Revoked, reply: Callable[[str], None], tickets: StandInTickets
) -> None:
    with Listener(person(sid="one"), STREAM) as mine, Listener(person(TOMAS, sid="two"), STREAM) as theirs:
        mine.until(lambda it: it.events)
        theirs.until(lambda it: it.events)
        revoked.ids.add("one")
        mine.until(lambda it: it.ended, "its end")
        wait_for(lambda: tickets.happened.open == 1)
        reply("two")
        theirs.until(bodies)
        assert not theirs.ended
    assert (bodies(mine), mine.broken) == ([], False)
    assert problem(person(sid="one").get(STREAM)) == (401, "unauthenticated")


def test_a_stream_ends_when_the_persons_roles_have_changed(
    person: Callable[..., httpx.Client], revoked: Revoked
) -> None:
    with Listener(person(rid="agent-then"), STREAM) as listener:
        listener.until(lambda it: it.events)
        revoked.ids.add("agent-then")
        listener.until(lambda it: it.ended, "its end")


def test_a_stream_ends_when_nobody_knows_any_more_what_was_revoked(mine: httpx.Client, revoked: Revoked) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        revoked.known = False
        listener.until(lambda it: it.ended, "its end")


def test_a_stream_ends_when_its_token_expires(live: Edge, mine: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        (stream,) = live.parts.streams._open
        assert stream.proof is not None
        expired = replace(stream.proof, expires=0.0)
        for token in live.parts.authenticator._proved:
            monkeypatch.setitem(live.parts.authenticator._proved, token, expired)
        monkeypatch.setattr("jwt.api_jwt.PyJWT._validate_exp", expire)
        stream.proof = expired
        listener.until(lambda it: it.ended, "its end")
    assert not listener.broken


def expire(*_: Any) -> None:
    import jwt  # noqa: PLC0415 - for this alone

    raise jwt.ExpiredSignatureError


def test_a_stream_goes_on_while_a_token_that_is_asked_about_now_and_then_is_still_good(
    live: Edge, mine: httpx.Client, reply: Callable[[str], None]
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        (stream,) = live.parts.streams._open
        assert stream.proof is not None
        stream.proof = replace(stream.proof, expires=0.0)
        wait_for(lambda: stream.proof is not None and stream.proof.expires > 0, what="another proof")
        reply("still here")
        listener.until(bodies)


@pytest.mark.parametrize("refusal", [NotFound("it is another's now"), Forbidden("not for you")])
def test_a_stream_ends_when_the_caller_has_the_right_no_more(
    live: Edge, mine: httpx.Client, tickets: StandInTickets, refusal: Any
) -> None:
    ended = counted("streams_ended_total", reason="rights")
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        live.do(lambda: tickets.happened.refuse(refusal))
        listener.until(lambda it: it.ended, "its end")
    assert counted("streams_ended_total", reason="rights") == ended + 1


def test_a_stream_is_no_older_than_it_may_be(mine: httpx.Client, set_live: Callable[..., None]) -> None:
    set_live(stream_longest_s=0.2)
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.ended, "its end")
    assert (len(listener.events), listener.broken) == (1, False)


def test_a_client_that_left_is_noticed_and_its_call_ends(
    live: Edge, mine: httpx.Client, tickets: StandInTickets
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        assert tickets.happened.open == 1
    wait_for(lambda: not tickets.happened.open, what="the end of the call")
    wait_for(lambda: not live.parts.streams._by_caller)


def test_a_client_that_left_with_a_request_behind_its_stream_is_noticed_too(
    live: Edge, mine: httpx.Client, set_live: Callable[..., None], tickets: StandInTickets
) -> None:
    set_live(stream_heartbeat_s=60)
    head = f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: {mine.headers['Authorization']}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", live.port), timeout=60) as connection:
        connection.sendall(2 * head)
        wait_for(lambda: tickets.happened.open)
        (cycle,) = (one.cycle for one in live.connections if one.pipeline)
    wait_for(lambda: not tickets.happened.open, what="the end of the call")
    wait_for(lambda: not live.parts.streams._by_caller)
    assert not cycle.response_started


def test_a_client_that_takes_nothing_is_given_up_and_nothing_is_kept_for_it(
    live: Edge,
    mine: httpx.Client,
    set_live: Callable[..., None],
    tickets: StandInTickets,
    caplog: pytest.LogCaptureFixture,
) -> None:
    set_live(stream_heartbeat_s=0.3)
    slow = counted("streams_ended_total", reason="slow")
    before = set(live.connections)
    with mine.stream("GET", STREAM):  # and nothing of it is read
        connections = live.connections - before
        assert connections

        def flood() -> bool:
            if tickets.happened.open:
                live.do(lambda: tickets.reply("x" * 1_000_000))
            return counted("streams_ended_total", reason="slow") > slow

        wait_for(flood, 60, what="its end")
        wait_for(lambda: not tickets.happened.open)
        wait_for(lambda: not live.connections & connections, what="the end of its connection")
    wait_for(lambda: not live.parts.streams._open)
    assert "without completing" not in caplog.text


# --- when parts go ----------------------------------------------------------------------------------------------------


def test_a_service_that_dies_and_comes_back_is_nothing_to_the_client(
    live: Edge, mine: httpx.Client, reply: Callable[[str], None], tickets: StandInTickets
) -> None:
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        reply("before")
        listener.until(lambda it: len(it.events) == 2)
        live.run(live.service.stop())
        reply("meanwhile")
        live.run(live.service.start())
        listener.until(lambda it: len(it.events) == 3)
        reply("after")
        listener.until(lambda it: len(it.events) == 4)
        assert not listener.ended
    assert bodies(listener) == ["before", "meanwhile", "after"]
    assert tickets.after[0] == ""
    assert set(tickets.after[1:]) == {entry_id(0)}


def test_a_stream_ends_when_its_service_is_gone_for_too_long(
    live: Edge, mine: httpx.Client, monkeypatch: pytest.MonkeyPatch, tickets: StandInTickets
) -> None:
    monkeypatch.setattr("gateway.streams.feed.RESUME_S", 0.1)
    with Listener(mine, STREAM) as listener:
        listener.until(lambda it: it.events)
        live.do(lambda: tickets.happened.refuse(Unavailable("no database")))
        listener.until(lambda it: it.ended, "its end")
    assert not listener.broken
    live.do(lambda: tickets.happened.refuse(None))


def test_a_gateway_that_goes_ends_its_streams_cleanly_and_at_once(
    redis_server: Redis, issuer: StandInIssuer, traced: None
) -> None:
    edge = Edge(redis_server.url, issuer, support_target=HERE, drain_s=3600)
    edge.start()
    client = httpx.Client(base_url=edge.url, headers={"Authorization": f"Bearer {issuer.token(INES)}"})
    with client, Listener(client, STREAM) as listener:
        listener.until(lambda it: it.events)
        edge.stop()  # which waits for no longer than a minute
        listener.until(lambda it: it.ended, "its end")
    assert not edge._thread.is_alive()
    assert (listener.broken, bool(listener.retry)) == (False, True)


def test_a_gateway_that_goes_begins_no_stream(live: Edge, mine: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.parts.streams, "_ending", True)
    refused = mine.get(STREAM)
    assert problem(refused) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0


# --- the status page --------------------------------------------------------------------------------------------------


def show(live: Edge, description: str) -> None:
    page = page_pb2.WatchPageResponse(page=a_page(description))
    live.do(lambda: live.service.status.page.watched.tell(page))


def descriptions(listener: Listener) -> list[str]:
    return [event.data["description"] for event in listener.events]


def test_anyone_follows_the_status_page_and_gets_what_a_read_answers_with_its_tag_as_id(
    live: Edge, nobody: httpx.Client
) -> None:
    show(live, "All well")
    live.service.status.page.replies["GetPage"] = a_page("All well")
    read = nobody.get("/api/v1/status", headers={"Accept-Encoding": "identity"})
    with Listener(nobody, STATUS, Origin="https://elsewhere.example") as listener:
        listener.until(lambda it: it.events)
        (event,) = listener.events
        assert (event.name, event.data, f'"{event.id}"') == ("status", read.json(), read.headers["ETag"])
        assert listener.answer.headers["Access-Control-Allow-Origin"] == "*"
        show(live, "All broken")
        listener.until(lambda it: len(it.events) == 2)
    assert descriptions(listener) == ["All well", "All broken"]


def test_who_has_the_page_as_it_is_is_told_only_when_it_changes(live: Edge, nobody: httpx.Client) -> None:
    show(live, "All well")
    with Listener(nobody, STATUS) as listener:
        listener.until(lambda it: it.events)
    with Listener(nobody, STATUS, listener.last_id) as again:
        show(live, "All broken")
        again.until(lambda it: it.events)
    assert descriptions(again) == ["All broken"]


def test_one_call_to_the_service_serves_all_who_follow_the_page(live: Edge, nobody: httpx.Client) -> None:
    show(live, "All well")
    watched = live.service.status.page.watched
    with Listener(nobody, STATUS) as one, Listener(nobody, STATUS) as other:
        one.until(lambda it: it.events)
        other.until(lambda it: it.events)
        assert (watched.calls, watched.open) == (1, 1)
    wait_for(lambda: not watched.open, what="the end of the call")


def test_the_page_is_followed_through_an_outage_of_its_service_but_not_begun_in_one(
    live: Edge, nobody: httpx.Client
) -> None:
    show(live, "All well")
    with Listener(nobody, STATUS) as listener:
        listener.until(lambda it: it.events)
        live.run(live.service.stop())
        refused = wait_for(lambda: (answer := nobody.head(STATUS)).status_code == 503 and answer)
        assert int(refused.headers["Retry-After"]) > 0
        show(live, "All broken")
        live.run(live.service.start())
        listener.until(lambda it: len(it.events) == 2)
        assert not listener.ended
    assert descriptions(listener) == ["All well", "All broken"]
