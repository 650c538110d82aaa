"""Where keys, conditions, quotas and identity meet: docs/semantics.md, repeated writes and conditions."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from chassis.errors import Forbidden, NotFound, VersionMismatch
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from gateway.testing.public import ITEM, POST_ID, STATUS, told
from gateway.testing.servicer import StandInProjects

PATH = "/api/v1/projects"
INES = "018f0000-0000-7000-8000-000000000001"
INCIDENT = f"{STATUS}/incidents/{POST_ID}"


def create(client: httpx.Client, key: str = "k1", name: str = "Billing API", **headers: str) -> httpx.Response:
    body = {"name": name, "visibility": "public"}
    return client.post(PATH, json=body, headers={"Idempotency-Key": f'"{key}"', **headers})


def type_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


@pytest.fixture
def item(ines: httpx.Client) -> str:
    return str(create(ines).headers["Location"])


@pytest.fixture
def expired(sign_in: Callable[..., httpx.Client]) -> httpx.Client:
    return sign_in(exp=int(time.time()) - 3_600)


@pytest.mark.cross("replay × If-Match")
def test_a_replay_is_the_first_answer_whatever_the_tag_is_by_now(ines: httpx.Client, item: str) -> None:
    headers = {"Idempotency-Key": '"u1"', "If-Match": '"1"'}
    first = ines.patch(item, json={"name": "Second"}, headers=headers)
    again = ines.patch(item, json={"name": "Second"}, headers=headers)
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert (again.headers["ETag"], again.headers["Idempotency-Replayed"]) == ('"2"', "true")
    other = ines.patch(item, json={"name": "Second"}, headers={**headers, "Idempotency-Key": '"u2"'})
    assert other.status_code == HTTPStatus.PRECONDITION_FAILED


@pytest.mark.cross("replay × quota")
def test_a_replay_costs_a_write_and_a_refused_one_works_later(
    few: int, ines: httpx.Client, redis: Any, projects: StandInProjects
) -> None:
    first = create(ines)
    again = [create(ines) for _ in range(few)]
    assert [int(answer.headers["X-RateLimit-Remaining"]) for answer in again] == [*range(few - 2, -1, -1), 0]
    assert [answer.status_code for answer in again] == [HTTPStatus.OK] * (few - 1) + [HTTPStatus.TOO_MANY_REQUESTS]
    assert "Idempotency-Replayed" not in again[-1].headers
    redis.flushdb()  # a while later
    assert (create(ines).content, len(projects.projects)) == (first.content, 1)


@pytest.mark.cross("replay × expired identity")
def test_a_replay_without_a_good_token_is_401_and_not_the_answer(
    ines: httpx.Client, expired: httpx.Client, client: httpx.Client
) -> None:
    assert create(ines).status_code == HTTPStatus.CREATED
    for stranger in (expired, client):
        refused = create(stranger)
        assert (refused.status_code, "Billing" in refused.text) == (HTTPStatus.UNAUTHORIZED, False)
    assert "expired" in create(expired).headers["WWW-Authenticate"]


@pytest.mark.cross("replay × changed resource")
def test_a_replay_after_a_change_is_the_answer_of_then(ines: httpx.Client) -> None:
    first = create(ines)
    ines.patch(first.headers["Location"], json={"name": "Changed"})
    again = create(ines)
    assert (again.status_code, again.content, again.headers["ETag"]) == (HTTPStatus.OK, first.content, '"1"')


@pytest.mark.cross("replay × removed resource")
def test_a_replay_after_the_end_is_the_answer_of_then(ines: httpx.Client) -> None:
    first = create(ines)
    item, end = first.headers["Location"], {"Idempotency-Key": '"end"'}
    assert ines.delete(item, headers=end).status_code == HTTPStatus.NO_CONTENT
    again = create(ines)
    assert (again.status_code, again.content) == (HTTPStatus.OK, first.content)
    assert again.headers["Location"] == item
    ended = ines.delete(item, headers=end)
    assert (ended.status_code, ended.headers["Idempotency-Replayed"]) == (HTTPStatus.NO_CONTENT, "true")
    assert ines.get(item).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.cross("key × another caller")
def test_a_key_of_another_is_a_new_one(ines: httpx.Client, tomas: httpx.Client) -> None:
    mine, theirs = create(ines), create(tomas, name="Another")
    assert (mine.status_code, theirs.status_code) == (HTTPStatus.CREATED, HTTPStatus.CREATED)
    assert mine.json()["id"] != theirs.json()["id"]
    assert create(tomas, name="Another").content == theirs.content


@pytest.mark.cross("key × another route")
def test_a_key_on_another_route_is_a_new_one(ines: httpx.Client) -> None:
    item = create(ines).headers["Location"]
    key = {"Idempotency-Key": '"k1"'}
    changed = ines.patch(item, json={"name": "Changed"}, headers=key)
    assert (changed.status_code, "Idempotency-Replayed" in changed.headers) == (HTTPStatus.OK, False)
    assert ines.delete(item, headers=key).status_code == HTTPStatus.NO_CONTENT


@pytest.mark.cross("key × another payload")
def test_a_key_with_another_payload_is_422_before_any_condition(ines: httpx.Client, item: str) -> None:
    key = {"Idempotency-Key": '"u1"'}
    ines.patch(item, json={"name": "Second"}, headers=key)
    reused = ines.patch(item, json={"name": "Third"}, headers={**key, "If-Match": '"1"'})
    assert (reused.status_code, type_of(reused)) == (HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused")


@pytest.mark.cross("304 × expired identity")
def test_a_condition_lets_nobody_in(ines: httpx.Client, expired: httpx.Client, client: httpx.Client, item: str) -> None:
    for path in (item, PATH):
        tag = ines.get(path).headers["ETag"]
        for stranger in (expired, client):
            for held in (tag, "*"):
                assert stranger.get(path, headers={"If-None-Match": held}).status_code == HTTPStatus.UNAUTHORIZED
    assert expired.get(ITEM, headers={"If-None-Match": "*"}).status_code == HTTPStatus.UNAUTHORIZED, (
        "anyone may, they not"
    )


@pytest.mark.cross("304 × quota")
def test_a_304_is_free_and_with_nothing_left_there_is_none(few: int, ines: httpx.Client, item: str) -> None:
    held = {"If-None-Match": ines.get(item).headers["ETag"]}
    for _ in range(2 * few):
        same = ines.get(item, headers=held)
        assert (same.status_code, same.headers["X-RateLimit-Remaining"]) == (HTTPStatus.NOT_MODIFIED, str(few - 1))
    assert [ines.get(item).status_code for _ in range(few)] == [HTTPStatus.OK] * (few - 1) + [429]
    assert ines.get(item, headers=held).status_code == HTTPStatus.TOO_MANY_REQUESTS


@pytest.mark.cross("412 × 428 × 409")
def test_who_and_whether_come_before_which_state_and_that_before_the_rest(
    author: httpx.Client, anyone: httpx.Client, public_edge: Edge
) -> None:
    incidents, body = public_edge.service.status.incidents, {"title": "Slow"}
    for headers in ({}, {"If-Match": '"9"'}):
        assert anyone.patch(INCIDENT, json=body, headers=headers).status_code == HTTPStatus.UNAUTHORIZED
        for fault, expected in ((NotFound("none"), 404), (Forbidden("not yours"), 403)):
            incidents.replies["UpdateIncident"] = fault
            assert author.patch(INCIDENT, json=body, headers=headers).status_code == expected
    incidents.replies["UpdateIncident"] = VersionMismatch.of("incident", 9, 1)
    needed = author.patch(INCIDENT, json=body)
    assert (needed.status_code, type_of(needed)) == (HTTPStatus.PRECONDITION_REQUIRED, "precondition-required")
    mismatch = author.patch(INCIDENT, json=body, headers={"If-Match": '"9"'})
    assert (mismatch.status_code, type_of(mismatch)) == (HTTPStatus.PRECONDITION_FAILED, "version-mismatch")
    broken = author.patch(INCIDENT, json={"title": 7}, headers={"If-Match": '"9"'})
    assert broken.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, "what cannot be read is for no state"


@pytest.mark.cross("If-Match × If-None-Match")
def test_if_match_goes_first(ines: httpx.Client, item: str) -> None:
    both = {"If-Match": '"9"', "If-None-Match": '"1"'}
    for method in ("GET", "HEAD"):
        assert ines.request(method, item, headers=both).status_code == HTTPStatus.PRECONDITION_FAILED
    both["If-Match"] = '"1"'
    assert ines.get(item, headers=both).status_code == HTTPStatus.NOT_MODIFIED
    assert ines.patch(item, json={"name": "x"}, headers=both).status_code == HTTPStatus.PRECONDITION_FAILED


@pytest.mark.cross("HEAD × conditions")
def test_head_is_as_get_under_every_condition(ines: httpx.Client, item: str) -> None:
    for path in (item, PATH):
        tag = ines.get(path).headers["ETag"]
        for headers in (
            {"If-None-Match": tag},
            {"If-None-Match": "*"},
            {"If-None-Match": '"other"'},
            {"If-Match": tag},
            {"If-Match": '"other"'},
            {"If-None-Match": "no tag"},
        ):
            head, got = ines.head(path, headers=headers), ines.get(path, headers=headers)
            assert (head.status_code, head.content) == (got.status_code, b""), headers
            assert {name: head.headers.get(name) for name in ("ETag", "Vary", "Cache-Control", "Content-Type")} == {
                name: got.headers.get(name) for name in ("ETag", "Vary", "Cache-Control", "Content-Type")
            }


@pytest.mark.cross("OPTIONS × everything")
def test_options_asks_for_nothing_and_costs_nothing(
    anyone: httpx.Client, expired: httpx.Client, public_edge: Edge, posts: Any
) -> None:
    anyone.get(ITEM)
    left = anyone.get(ITEM).headers["X-RateLimit-Remaining"]
    everything = {"If-Match": '"9"', "If-None-Match": "*", "Idempotency-Key": "bad", "Cache-Control": "only-if-cached"}
    for path, methods in ((ITEM, "DELETE, GET, HEAD, OPTIONS, PATCH"), (PATH, "GET, HEAD, OPTIONS, POST")):
        for headers in ({}, everything, {"Authorization": "Bearer none"}):
            answer = anyone.options(path, headers=headers)
            assert (answer.status_code, answer.headers["Allow"]) == (HTTPStatus.NO_CONTENT, methods)
            assert not {"ETag", "Cache-Status", "RateLimit"} & {name.title() for name in answer.headers}
    kept = anyone.get(ITEM)
    assert told(kept).startswith("hit")
    assert abs(int(kept.headers["X-RateLimit-Remaining"]) - int(left)) <= 1


@pytest.mark.cross("compression × strong ETags")
def test_two_forms_never_share_a_strong_tag(ines: httpx.Client) -> None:
    body = {"name": "Long", "description": "word " * 1_000}
    item = ines.post(PATH, json=body, headers={"Idempotency-Key": '"k9"'}).headers["Location"]
    for path in (item, PATH):
        plain, packed = (ines.get(path, headers={"Accept-Encoding": form}) for form in ("identity", "gzip"))
        assert packed.headers["Content-Encoding"] == "gzip"
        assert plain.headers["ETag"] != packed.headers["ETag"]
        assert not any(answer.headers["ETag"].startswith("W/") for answer in (plain, packed))
        for held, accepted, expected in (
            (packed, "gzip", 304),
            (plain, "gzip", 304),
            (plain, "identity", 304),
            (packed, "identity", 200),
        ):
            asked = {"If-None-Match": held.headers["ETag"], "Accept-Encoding": accepted}
            again = ines.get(path, headers=asked)
            assert again.status_code == expected
            if expected == HTTPStatus.NOT_MODIFIED:
                assert again.headers["ETag"] == held.headers["ETag"], "of the form that the client has"


@pytest.mark.cross("list ETag × filter, order and page")
def test_each_way_to_see_a_list_has_its_tag(ines: httpx.Client) -> None:
    for number in range(4):
        body = {"name": f"P{number}", "labels": ["odd"] if number % 2 else []}
        ines.post(PATH, json=body, headers={"Idempotency-Key": f'"p{number}"'})
    queries = ("", "?label=odd", "?order=name", "?order=-name", "?page_size=2", "?page_size=2&page=2", "?page_size=3")
    answers = {query: ines.get(PATH + query) for query in queries}
    assert {answer.status_code for answer in answers.values()} == {HTTPStatus.OK}
    bodies = {query: answer.content for query, answer in answers.items()}
    for query, answer in answers.items():
        for other, content in bodies.items():
            same = ines.get(PATH + other, headers={"If-None-Match": answer.headers["ETag"]})
            assert (same.status_code == HTTPStatus.NOT_MODIFIED) is (content == bodies[query]), (query, other)


@pytest.mark.cross("list ETag × caller")
def test_a_tag_of_one_callers_list_is_of_no_use_to_another_who_sees_something_else(
    ines: httpx.Client, tomas: httpx.Client
) -> None:
    ines.post(PATH, json={"name": "Mine"}, headers={"Idempotency-Key": '"k1"'})
    mine = ines.get(PATH)
    held = {"If-None-Match": mine.headers["ETag"]}
    theirs = tomas.get(PATH, headers=held)
    assert (theirs.status_code, theirs.json()["items"]) == (HTTPStatus.OK, [])
    assert ines.get(PATH, headers=held).status_code == HTTPStatus.NOT_MODIFIED


def test_a_new_token_of_the_same_person_changes_no_tag(
    ines: httpx.Client, item: str, edge: Edge, issuer: StandInIssuer
) -> None:
    for path in (item, PATH):
        held = {"If-None-Match": ines.get(path).headers["ETag"]}
        renewed = {"Authorization": f"Bearer {issuer.token(INES, sid='another')}"}
        assert httpx.get(edge.url + path, headers=held | renewed).status_code == HTTPStatus.NOT_MODIFIED
