"""Whose answers the cache keeps and gives, in which form and until what: docs/semantics.md, the cache."""

import gzip
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from chassis.errors import Forbidden, NotFound, Unavailable
from gateway.testing.community import StandInPosts
from gateway.testing.edge import Edge
from gateway.testing.public import BADGE, ITEM, POST_ID, POSTS, STATUS, a_post, told
from gateway.testing.status import StandInPage
from neoforge.community.v1 import content_pb2, moderation_pb2


@pytest.mark.cross("cache × Authorization")
def test_who_sends_a_token_gets_their_own_answer_and_leaves_nothing_for_others(
    anyone: httpx.Client, author: httpx.Client, posts: StandInPosts
) -> None:
    for _ in range(2):
        mine = author.get(ITEM)
        assert (told(mine), mine.headers["Cache-Control"]) == ("fwd=bypass", "private, no-cache")
        assert "Age" not in mine.headers
    assert len(posts.asked) == 2
    assert told(anyone.get(ITEM)).startswith("fwd=uri-miss")
    assert told(anyone.get(ITEM)).startswith("hit")
    assert told(author.get(ITEM)) == "fwd=bypass"
    assert len(posts.asked) == 4
    assert anyone.get(ITEM, headers={"Authorization": "Bearer none"}).status_code == HTTPStatus.UNAUTHORIZED


@pytest.mark.cross("cache × cookie")
def test_who_sends_a_cookie_gets_nothing_kept_and_leaves_nothing(
    anyone: httpx.Client, posts: StandInPosts, page: StandInPage
) -> None:
    cookie = {"Cookie": "theme=dark"}
    assert [told(anyone.get(ITEM, headers=cookie)) for _ in range(2)] == ["fwd=bypass"] * 2
    assert told(anyone.get(ITEM)).startswith("fwd=uri-miss")
    assert told(anyone.get(ITEM, headers=cookie)) == "fwd=bypass"
    assert len(posts.asked) == 4
    anyone.get(STATUS)
    page.replies["GetPage"] = Unavailable("restarting")
    outage = anyone.get(STATUS, headers=cookie)
    assert (outage.status_code, outage.json()["stale"]) == (HTTPStatus.OK, True)


@pytest.mark.cross("cache × conditional")
def test_a_condition_is_answered_from_what_is_kept(anyone: httpx.Client, posts: StandInPosts) -> None:
    first = anyone.get(ITEM)
    for held in ('"7"', 'W/"7"', '"1", "7"', "*"):
        same = anyone.get(ITEM, headers={"If-None-Match": held})
        assert (same.status_code, same.content, same.headers["ETag"]) == (HTTPStatus.NOT_MODIFIED, b"", '"7"')
        assert told(same).startswith("hit")
        assert int(same.headers["Age"]) >= 0
        for name in ("Cache-Control", "Vary"):
            assert same.headers[name] == first.headers[name]
    assert anyone.get(ITEM, headers={"If-None-Match": '"6"'}).content == first.content
    assert len(posts.asked) == 1


def test_a_client_that_has_the_answer_already_does_not_keep_others_from_getting_it(
    anyone: httpx.Client, posts: StandInPosts
) -> None:
    assert anyone.get(ITEM, headers={"If-None-Match": '"7"'}).status_code == HTTPStatus.NOT_MODIFIED
    assert posts.asked[0].unless_version == 0
    full = anyone.get(ITEM)
    assert (full.json()["id"], told(full)[:3]) == (POST_ID, "hit")


@pytest.mark.cross("cache × If-Match")
def test_if_match_is_for_the_service_to_meet(anyone: httpx.Client, posts: StandInPosts) -> None:
    anyone.get(ITEM)
    posts.replies["GetPost"] = a_post(8)
    current = anyone.get(ITEM, headers={"If-Match": '"8"'})
    assert (current.status_code, told(current)) == (HTTPStatus.OK, "fwd=bypass")
    assert anyone.get(ITEM, headers={"If-Match": '"7"'}).status_code == HTTPStatus.PRECONDITION_FAILED


@pytest.mark.cross("cache × compression")
def test_one_entry_has_both_forms_each_with_its_tag(anyone: httpx.Client, posts: StandInPosts) -> None:
    posts.replies["GetPost"] = a_post(body="word " * 1_000)
    for _ in range(2):
        plain = anyone.get(ITEM, headers={"Accept-Encoding": "identity"})
        with anyone.stream("GET", ITEM, headers={"Accept-Encoding": "gzip"}) as packed:
            assert gzip.decompress(b"".join(packed.iter_raw())) == plain.content
        assert (plain.headers["ETag"], packed.headers["ETag"]) == ('"7"', '"7-gzip"')
        assert "Content-Encoding" not in plain.headers
        assert {"Accept-Encoding", "Authorization"} <= set(plain.headers["Vary"].split(", "))
        assert plain.headers["Vary"] == packed.headers["Vary"]
    held = {"If-None-Match": '"7-gzip"'}
    assert anyone.get(ITEM, headers={**held, "Accept-Encoding": "gzip"}).status_code == HTTPStatus.NOT_MODIFIED
    assert anyone.get(ITEM, headers={**held, "Accept-Encoding": "identity"}).status_code == HTTPStatus.OK
    assert len(posts.asked) == 1


@pytest.mark.cross("cache × HEAD")
def test_head_is_answered_from_the_entry_of_get_and_fills_it(anyone: httpx.Client, posts: StandInPosts) -> None:
    head = anyone.head(ITEM)
    got = anyone.get(ITEM)
    again = anyone.head(ITEM)
    assert (head.content, again.content, got.json()["id"]) == (b"", b"", POST_ID)
    assert (told(head)[:3], told(got)[:3], told(again)[:3]) == ("fwd", "hit", "hit")
    for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary"):
        assert head.headers[name] == got.headers[name] == again.headers[name], name
    assert len(posts.asked) == 1


@pytest.mark.cross("cache × query")
def test_one_entry_for_all_spellings_of_a_query_and_another_for_another(
    anyone: httpx.Client, posts: StandInPosts, page: StandInPage
) -> None:
    for query in ("?order=new&tag=c%2B%2B", "?tag=c%2b%2b&order=new", "?%6frder=new&tag=%63%2B%2B"):
        anyone.get(POSTS + query)
    assert len(posts.asked) == 1
    for number, query in enumerate(("", "?order=top", "?order=new", "?tag=c%2B%2B", "?page_size=7"), 2):
        assert told(anyone.get(POSTS + query)).startswith("fwd=uri-miss")
        assert len(posts.asked) == number
    for query in ("", "?t=1", "?t=2"):
        anyone.get(BADGE + query)
    assert len(page.asked) == 1


@pytest.mark.cross("cache × error")
def test_no_error_is_kept_and_what_is_gone_is_forgotten(
    anyone: httpx.Client, posts: StandInPosts, public_edge: Edge
) -> None:
    fault: Any
    for fault, expected in ((NotFound("none"), 404), (Forbidden("no"), 403), (Unavailable("away"), 503)):
        posts.replies["GetPost"] = fault
        before = len(posts.asked)
        answers = [anyone.get(ITEM) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [expected] * 2
        assert all(answer.headers["Cache-Control"] == "no-store" for answer in answers)
        assert len(posts.asked) - before >= 2
    posts.replies["GetPost"] = a_post()
    anyone.get(ITEM)
    public_edge.ahead_s = 61
    posts.replies["GetPost"] = NotFound("none")
    assert anyone.get(ITEM).status_code == HTTPStatus.NOT_FOUND
    only = anyone.get(ITEM, headers={"Cache-Control": "only-if-cached"})
    assert (only.status_code, only.json()["type"].rpartition("/")[2]) == (HTTPStatus.GATEWAY_TIMEOUT, "not-cached")


@pytest.mark.cross("cache × quota")
def test_a_hit_costs_one_a_304_nothing_and_a_refusal_comes_first(few: int, client: httpx.Client, edge: Edge) -> None:
    posts = edge.service.community.posts
    posts.replies["GetPost"] = a_post()
    left = [int(client.get(ITEM).headers["X-RateLimit-Remaining"]) for _ in range(4)]
    assert left == [few - 1, few - 2, few - 3, few - 4]
    held = {"If-None-Match": '"7"'}
    for _ in range(2 * few):
        same = client.get(ITEM, headers=held)
        assert (same.status_code, int(same.headers["X-RateLimit-Remaining"])) == (HTTPStatus.NOT_MODIFIED, left[-1])
    last = [client.get(ITEM) for _ in range(few - 2)]
    assert [answer.status_code for answer in last] == [200] * (few - 4) + [429] * 2
    assert "Cache-Status" not in last[-1].headers
    assert client.get(ITEM, headers=held).status_code == HTTPStatus.TOO_MANY_REQUESTS


@pytest.mark.cross("cache × revoked visibility")
def test_what_is_taken_back_from_the_public_is_gone_at_once_here_and_everywhere_within_its_lifetime(
    anyone: httpx.Client, author: httpx.Client, posts: StandInPosts, public_edge: Edge
) -> None:
    gone = NotFound("there is no such post")
    said = anyone.get(ITEM).headers["Cache-Control"]
    assert said == "public, max-age=60"  # and so nobody may give it a second longer, whatever happens
    posts.replies["GetPost"] = gone
    public_edge.ahead_s = 61
    assert anyone.get(ITEM).status_code == HTTPStatus.NOT_FOUND
    posts.replies["GetPost"] = a_post()
    anyone.get(ITEM)
    posts.replies["GetPost"] = gone
    case = moderation_pb2.Case(subject=content_pb2.Subject(post_id=POST_ID), state=moderation_pb2.CASE_STATE_HIDDEN)
    public_edge.service.community.moderation.replies["DecideCase"] = moderation_pb2.DecideCaseResponse(case=case)
    hidden = author.post(f"/api/v1/community/moderation/posts/{POST_ID}/hide", json={"reason": "Because"})
    assert hidden.status_code == HTTPStatus.OK
    assert anyone.get(ITEM).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.cross("cache × write")
@pytest.mark.parametrize("path", [ITEM, POSTS, f"{POSTS}?order=new"])
def test_whoever_writes_sees_it_at_once_as_anyone_too(
    anyone: httpx.Client, author: httpx.Client, posts: StandInPosts, path: str
) -> None:
    anyone.get(path)
    assert author.delete(ITEM, headers={"If-Match": '"7"'}).status_code == HTTPStatus.NO_CONTENT
    assert told(anyone.get(path)).startswith(("fwd=stale", "fwd=uri-miss"))
    posts.replies["DeletePost"] = Forbidden("not yours")
    assert author.delete(ITEM).status_code == HTTPStatus.FORBIDDEN
    assert told(anyone.get(path)).startswith("hit")
    posts.replies["DeletePost"] = Unavailable("perhaps it happened")
    assert author.delete(ITEM).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert told(anyone.get(path)).startswith(("fwd=stale", "fwd=uri-miss"))


def test_a_write_elsewhere_leaves_what_is_kept(anyone: httpx.Client, author: httpx.Client, posts: StandInPosts) -> None:
    anyone.get(ITEM)
    headers = {"Idempotency-Key": '"k1"'}
    assert (
        author.post("/api/v1/projects", json={"name": "Elsewhere"}, headers=headers).status_code == HTTPStatus.CREATED
    )
    assert told(anyone.get(ITEM)).startswith("hit")


def test_nothing_that_a_client_sends_beside_path_and_query_gets_into_what_others_get(
    anyone: httpx.Client, posts: StandInPosts
) -> None:
    names = ("Host", "X-Forwarded-Host", "X-Original-URL", "Forwarded", "Origin", "Referer", "Accept-Language")
    evil = dict.fromkeys(names, "evil.example")
    for path in (ITEM, f"{POSTS}?page_size=3", "/api/v1/community/feed.atom"):
        first = anyone.get(path, headers={**evil, "Accept": "text/evil", "Prefer": "wait=30"})
        kept = anyone.get(path)
        assert told(kept).startswith("hit")
        assert "evil" not in kept.text + str(kept.headers) + first.text
        assert "Preference-Applied" not in kept.headers
