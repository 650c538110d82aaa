"""How old what the cache gives may be, and who waits for what: docs/semantics.md, the cache."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.errors import NotFound, Unavailable
from chassis.testing.waiting import wait_for
from gateway.testing.community import StandInPosts
from gateway.testing.edge import Edge
from gateway.testing.public import ITEM, STATUS, a_page, a_post, told
from gateway.testing.status import StandInPage
from neoforge.community.v1 import posts_pb2

WAIT_S = 60


def test_a_kept_answer_says_its_age_and_where_it_came_from(
    anyone: httpx.Client, posts: StandInPosts, public_edge: Edge
) -> None:
    first = anyone.get(ITEM)
    assert (told(first), "Age" in first.headers) == ("fwd=uri-miss; fwd-status=200; stored; ttl=60", False)
    public_edge.ahead_s = 10.5
    again = anyone.get(ITEM)
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert 10 <= int(again.headers["Age"]) < 60
    assert told(again).startswith("hit; ttl=")
    assert again.headers["Cache-Control"] == "public, max-age=60"
    assert again.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert len(posts.asked) == 1
    public_edge.ahead_s = 61
    posts.replies["GetPost"] = posts_pb2.GetPostResponse(unchanged_version=7)
    same = anyone.get(ITEM)
    assert (same.content, told(same)) == (first.content, "fwd=stale; fwd-status=304; stored; ttl=60")
    assert posts.asked[-1].unless_version == 7
    posts.replies["GetPost"] = a_post(8)
    public_edge.ahead_s = 122
    changed = anyone.get(ITEM)
    assert (changed.headers["ETag"], told(changed)) == ('"8"', "fwd=stale; fwd-status=200; stored; ttl=60")


def admitted() -> float:
    """How many requests for what anyone may read were let through: each is at the cache by then."""
    return REGISTRY.get_sample_value("rate_limit_decisions_total", {"tier": "public", "outcome": "admitted"}) or 0.0


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as crowd:
        yield crowd


@pytest.mark.cross("cache × many at once")
@pytest.mark.parametrize("reply", [a_post(), NotFound("there is none")], ids=["an answer", "a refusal"])
def test_many_at_once_ask_the_service_once(
    anyone: httpx.Client, public_edge: Edge, posts: StandInPosts, crowd: ThreadPoolExecutor, reply: Any
) -> None:
    posts.replies["GetPost"] = reply
    hold = posts.hold = asyncio.Event()
    before = admitted()
    running = [crowd.submit(anyone.get, ITEM) for _ in range(20)]
    wait_for(lambda: admitted() - before == 20, WAIT_S)
    public_edge.call_soon(hold.set)
    answers = [request.result(WAIT_S) for request in running]
    assert len(posts.asked) == 1
    expected = 404 if isinstance(reply, NotFound) else 200
    assert [answer.status_code for answer in answers] == [expected] * 20
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 20
    assert all(len(answer.headers.get_list("RateLimit")) == 1 for answer in answers)
    if expected == 200:
        assert sum("collapsed" in told(answer) for answer in answers) == 19
        assert len({answer.content for answer in answers}) == 1
    else:
        assert {answer.json()["request_id"] for answer in answers} == {a.headers["X-Request-Id"] for a in answers}


def test_who_waits_for_anothers_question_waits_no_longer_than_they_said(
    public_edge: Edge, posts: StandInPosts, crowd: ThreadPoolExecutor
) -> None:
    hold = posts.hold = asyncio.Event()
    patient = crowd.submit(httpx.get, public_edge.url + ITEM, timeout=WAIT_S)
    wait_for(lambda: posts.asked, WAIT_S)
    short = httpx.get(public_edge.url + ITEM, headers={"Prefer": "wait=1"}, timeout=WAIT_S)
    assert (short.status_code, short.headers["Preference-Applied"]) == (HTTPStatus.GATEWAY_TIMEOUT, "wait=1")
    assert not patient.done()
    public_edge.call_soon(hold.set)
    assert patient.result(WAIT_S).status_code == HTTPStatus.OK
    assert len(posts.asked) == 1


@pytest.mark.cross("cache × request directives")
def test_a_request_says_how_fresh_it_wants_its_answer(
    anyone: httpx.Client, posts: StandInPosts, public_edge: Edge
) -> None:
    def ask(directives: str, name: str = "Cache-Control") -> httpx.Response:
        return anyone.get(ITEM, headers={name: directives})

    assert ask("only-if-cached").status_code == HTTPStatus.GATEWAY_TIMEOUT
    assert told(ask("only-if-cached")) == "detail=only-if-cached"
    assert told(ask("no-store")) == "fwd=uri-miss"
    assert told(anyone.get(ITEM)).startswith("fwd=uri-miss")
    public_edge.ahead_s = 20.0
    for kept in ("max-age=59", "min-fresh=1", "only-if-cached", "max-stale", "max-stale=5", 'foo="no-cache, x"', "x=y"):
        assert told(ask(kept)).startswith("hit"), kept
    assert ask("only-if-cached, max-age=5").status_code == HTTPStatus.GATEWAY_TIMEOUT
    assert told(ask("no-store")) == "fwd=request"
    assert told(anyone.get(ITEM)).startswith("hit"), "what is there may stay there"
    for number, (fresh, name) in enumerate(
        (
            ("no-cache", "Cache-Control"),
            ("max-age=0", "Cache-Control"),
            ("max-age=10", "Cache-Control"),
            ("MAX-AGE=a-while", "Cache-Control"),
            ("min-fresh=55", "Cache-Control"),
            ("no-cache", "Pragma"),
        ),
        1,
    ):
        public_edge.ahead_s += 20.0
        asked = ask(fresh, name)
        assert told(asked).startswith("fwd=request; fwd-status=200; stored"), (fresh, number)
        assert told(anyone.get(ITEM)).startswith("hit"), "it is the newest now"
    assert told(ask("max-age=100", "Pragma")).startswith("hit")


@pytest.mark.cross("cache × staleness")
def test_a_stale_answer_is_given_at_once_while_one_new_one_is_fetched(
    anyone: httpx.Client, page: StandInPage, posts: StandInPosts, public_edge: Edge
) -> None:
    first = anyone.get(STATUS)
    assert first.headers["Cache-Control"] == "public, max-age=60, stale-while-revalidate=60, stale-if-error=604800"
    public_edge.ahead_s = 70
    page.replies["GetPage"] = a_page("Slow")
    hold = page.hold = asyncio.Event()
    for _ in range(5):
        stale = anyone.get(STATUS)
        assert (stale.json(), int(stale.headers["Age"]) >= 70) == (first.json(), True)
        assert told(stale).startswith("hit; ttl=-")
        assert told(stale).endswith("; detail=stale-while-revalidate")
    wait_for(lambda: len(page.asked) == 2, WAIT_S)
    public_edge.call_soon(hold.set)
    fresh = wait_for(lambda: answer if (answer := anyone.get(STATUS)).json()["description"] == "Slow" else None, WAIT_S)
    assert told(fresh).startswith("hit; ttl=")
    assert len(page.asked) == 2
    page.hold = None
    public_edge.ahead_s = 70 + 121
    assert told(anyone.get(STATUS)).startswith("fwd=stale"), "too old for that"
    anyone.get(ITEM)
    public_edge.ahead_s += 61
    assert told(anyone.get(ITEM)).startswith("fwd=stale"), "not declared there"


@pytest.mark.cross("cache × outage")
def test_the_last_good_answer_stands_in_for_an_outage_where_that_is_declared(
    anyone: httpx.Client, page: StandInPage, posts: StandInPosts, public_edge: Edge
) -> None:
    good = anyone.get(STATUS).json()
    anyone.get(ITEM)
    away = Unavailable("restarting")
    page.replies |= {"GetPage": away, "GetUptime": away}
    posts.replies["GetPost"] = away
    assert anyone.get(STATUS).json() == good, "fresh is fresh"
    public_edge.ahead_s = 600
    for headers in ({}, {"Cache-Control": "no-cache"}, {"Cache-Control": "no-store"}, {"Accept-Encoding": "identity"}):
        stale = anyone.get(STATUS, headers=headers)
        assert (stale.status_code, int(stale.headers["Age"]) >= 600) == (HTTPStatus.OK, True)
        assert (stale.headers["Warning"], stale.headers["Cache-Control"]) == (
            '110 - "Response is Stale"',
            "public, no-cache",
        )
        assert told(stale) == "fwd=stale; fwd-status=503; detail=stale-if-error"
        assert stale.json() | {"stale": False, "as_of": None} == good
        assert stale.json()["stale"] is True
    again = anyone.get(STATUS, headers={"If-None-Match": stale.headers["ETag"]})
    assert (again.status_code, "Age" in again.headers) == (HTTPStatus.NOT_MODIFIED, True)
    assert anyone.get(ITEM).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert anyone.get(f"{STATUS}/uptime").status_code == HTTPStatus.SERVICE_UNAVAILABLE, "what was never good"
    public_edge.ahead_s = 8 * 86_400
    assert anyone.get(STATUS).status_code == HTTPStatus.SERVICE_UNAVAILABLE, "a week is enough"


@pytest.fixture
def count(anyone: httpx.Client) -> Callable[[str], float]:
    def read(result: str) -> float:
        lines = anyone.get("/metrics").text.splitlines()
        name = f'cache_requests_total{{result="{result}"}} '
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    return read


def test_every_way_that_a_request_is_answered_is_counted(
    anyone: httpx.Client, posts: StandInPosts, count: Callable[[str], float]
) -> None:
    before = {result: count(result) for result in ("hit", "miss", "bypass", "refused")}
    for headers in ({}, {}, {}, {"Cookie": "a=b"}, {"Cache-Control": "only-if-cached, max-age=0, min-fresh=99"}):
        anyone.get(ITEM, headers=headers)
    counted = {result: count(result) - before[result] for result in before}
    assert counted == {"hit": 2, "miss": 1, "bypass": 1, "refused": 1}
