import gzip
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.errors import IdempotencyInFlight
from gateway.testing.problems import problem_of
from gateway.testing.servicer import StandInProjects

PATH = "/api/v1/projects"


def create(client: httpx.Client, key: str = "k1", **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"name": "Billing API", **fields}, headers={"Idempotency-Key": f'"{key}"'})


@pytest.fixture
def project(ines: httpx.Client) -> dict[str, Any]:
    made: dict[str, Any] = create(ines, visibility="public").json()
    return made


@pytest.fixture
def item(project: dict[str, Any]) -> str:
    return f"{PATH}/{project['id']}"


def test_a_created_project_is_201_with_its_address_and_tag(ines: httpx.Client) -> None:
    answer = create(ines, labels=["backend"], visibility="public")
    assert answer.status_code == 201
    project = answer.json()
    assert answer.headers["Location"] == f"{PATH}/{project['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert project["created_at"] == "2023-11-14T22:13:21.123456Z"
    assert ines.get(answer.headers["Location"]).json() == project


def test_a_repeated_creation_is_200_with_the_same_body_tag_and_address(
    ines: httpx.Client, projects: StandInProjects
) -> None:
    first, again = create(ines), create(ines)
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.content == first.content
    assert (again.headers["ETag"], again.headers["Location"]) == (first.headers["ETag"], first.headers["Location"])
    assert len(projects.projects) == 1


def test_another_spelling_of_the_same_json_is_the_same_request(ines: httpx.Client) -> None:
    headers = {"Idempotency-Key": '"k1"', "Content-Type": "application/json; charset=utf-8"}
    assert ines.post(PATH, content=b'{"name":"\\u00e9","labels":[]}', headers=headers).status_code == 201
    again = ines.post(PATH, content='{ "labels": [], "name": "é" }'.encode(), headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_key_with_another_payload_is_422(ines: httpx.Client) -> None:
    create(ines)
    answer = create(ines, description="other")
    assert (answer.status_code, problem_of(answer)) == (422, "idempotency-key-reused")


def test_a_key_in_flight_is_409_with_retry_after(ines: httpx.Client, projects: StandInProjects) -> None:
    projects.fail_next = [IdempotencyInFlight("the first is still running")]
    answer = create(ines)
    assert (answer.status_code, problem_of(answer), answer.headers["Retry-After"]) == (
        409,
        "idempotency-in-flight",
        "1",
    )


@pytest.mark.parametrize(("key", "type_"), [(None, "idempotency-key-missing"), ("k1", "idempotency-key-malformed")])
def test_a_creation_without_a_proper_key_is_400(ines: httpx.Client, key: str | None, type_: str) -> None:
    answer = ines.post(PATH, json={"name": "x"}, headers={"Idempotency-Key": key} if key else {})
    assert (answer.status_code, problem_of(answer)) == (400, type_)


def test_a_replayed_deletion_is_204_again(ines: httpx.Client, item: str) -> None:
    headers = {"Idempotency-Key": '"d1"'}
    assert ines.delete(item, headers=headers).status_code == 204
    again = ines.delete(item, headers=headers)
    assert (again.status_code, again.headers["Idempotency-Replayed"], again.content) == (204, "true", b"")
    assert ines.delete(item).status_code == 404


def test_a_replay_gets_its_first_answer_though_the_project_moved_on_and_the_precondition_fails(
    ines: httpx.Client, item: str
) -> None:
    headers = {"Idempotency-Key": '"u1"', "If-Match": '"1"'}
    first = ines.patch(item, json={"name": "Second"}, headers=headers)
    ines.patch(item, json={"name": "Third"})
    for tags in ('"1"', '"1", "9"', "*"):
        again = ines.patch(item, json={"name": "Second"}, headers={**headers, "If-Match": tags})
        assert (again.status_code, again.content, again.headers["ETag"]) == (200, first.content, '"2"')


def test_a_known_version_is_304_with_the_tag_of_the_200_and_no_length(
    ines: httpx.Client, item: str, projects: StandInProjects
) -> None:
    tag = ines.get(item).headers["ETag"]
    for held in (tag, f"W/{tag}", f'"9", {tag}', "*"):
        answer = ines.get(item, headers={"If-None-Match": held})
        assert answer.status_code == 304
        assert answer.headers["ETag"] == tag
        assert "Content-Length" not in answer.headers
        assert "Accept-Encoding" in answer.headers["Vary"]
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_if_match_guards_changes_and_deletion(ines: httpx.Client, item: str) -> None:
    assert ines.patch(item, json={"name": "B"}, headers={"If-Match": '"1"'}).headers["ETag"] == '"2"'
    for method in ("PATCH", "DELETE"):
        for stale in ('"1"', 'W/"2"', '"x"', '"7", "8"'):
            body = {"name": "C"} if method == "PATCH" else None
            answer = ines.request(method, item, headers={"If-Match": stale}, json=body)
            assert (answer.status_code, problem_of(answer)) == (412, "version-mismatch")
    assert ines.patch(item, json={"name": "C"}, headers={"If-None-Match": "*"}).status_code == 412
    assert ines.patch(item, json={"name": "C"}, headers={"If-Match": '"1", "2"'}).status_code == 200
    assert ines.delete(item, headers={"If-Match": '"3"'}).status_code == 204


def test_who_may_not_is_told_so_before_any_precondition(ines: httpx.Client, tomas: httpx.Client, item: str) -> None:
    assert tomas.patch(item, json={"name": "x"}, headers={"If-Match": '"9"'}).status_code == 403
    assert tomas.delete(f"{PATH}/{uuid4()}", headers={"If-Match": '"9"'}).status_code == 404
    assert tomas.get(item, headers={"If-Match": '"9"'}).status_code == 412


def test_a_merge_patch_sends_only_what_it_names(ines: httpx.Client, item: str) -> None:
    ines.patch(item, json={"description": "long", "labels": ["a", "b"]})
    patched = ines.patch(item, json={"status": "archived"}, headers={"Content-Type": "application/merge-patch+json"})
    assert patched.json() | {"updated_at": ""} == ines.get(item).json() | {"updated_at": ""}
    assert (patched.json()["status"], patched.json()["description"]) == ("archived", "long")
    assert ines.patch(item, json={"description": None, "labels": None}).json()["labels"] == []


@pytest.mark.parametrize("field", ["name", "slug", "status", "visibility"])
def test_null_for_what_a_project_must_have_is_422(ines: httpx.Client, item: str, field: str) -> None:
    answer = ines.patch(item, json={field: None})
    assert (answer.status_code, problem_of(answer)) == (422, "invalid-fields")
    assert answer.json()["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": " \t"}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "x", "labels": ["ok", "a\x00"]}, "/labels/1"),
        ({"name": "x", "labels": ["l"] * 21}, "/labels"),
        ({"name": "x", "labels": ["same", "same"]}, "/labels/1"),
        ({"name": "x", "slug": "-a"}, "/slug"),
        ({"name": "x", "visibility": "secret"}, "/visibility"),
        ({"name": "x", "description": "d" * 10_001}, "/description"),
        ({"name": "x", "a/b~c": 1}, "/a~1b~0c"),
        ([], ""),
        ("text", ""),
        ({"name": 10**40}, "/name"),
    ],
)
def test_a_bad_field_is_422_with_its_json_pointer(ines: httpx.Client, body: object, pointer: str) -> None:
    answer = ines.post(PATH, json=body, headers={"Idempotency-Key": '"k1"'})
    assert (answer.status_code, problem_of(answer)) == (422, "invalid-fields")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_an_empty_patch_is_422(ines: httpx.Client, item: str) -> None:
    assert problem_of(ines.patch(item, json={})) == "invalid-fields"


def test_the_length_of_text_is_counted_in_characters(ines: httpx.Client) -> None:
    assert create(ines, name="😀" * 200).status_code == 201


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("stauts=active", "stauts"),
        ("status=gone", "status"),
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=1.0", "page"),
        ("page=1_0", "page"),
        ("page=99999999999999999999999", "page"),
        ("page_size=101", "page_size"),
        ("page=1&page=2", "page"),
        ("page=1&cursor=after-1", "cursor"),
        ("label=", "label"),
        ("label=a%00", "label"),
        ("text=%00", "text"),
        ("owner=you", "owner"),
        ("order=id", "order"),
        ("order=", "order"),
        ("%E2%98%83=1", "☃"),
    ],
)
def test_a_bad_query_parameter_is_422_by_name(ines: httpx.Client, query: str, parameter: str) -> None:
    answer = ines.get(f"{PATH}?{query}")
    assert (answer.status_code, problem_of(answer)) == (422, "invalid-fields")
    assert answer.json()["errors"][0]["parameter"] == parameter


def test_a_parameter_that_a_list_does_not_know_is_called_one(ines: httpx.Client) -> None:
    answer = ines.get(f"{PATH}?pagesize=5")
    assert answer.json()["errors"] == [{"parameter": "pagesize", "detail": "there is no such query parameter"}]


@pytest.mark.parametrize("query", ["text=%ff", "%ff=1", "cursor=%ed%a0%80"])
def test_a_query_that_is_no_utf_8_is_400(ines: httpx.Client, query: str) -> None:
    assert problem_of(ines.get(f"{PATH}?{query}")) == "malformed-request"


@pytest.mark.parametrize("suffix", ["?x=1", "/members?page=2"])
def test_a_route_without_parameters_refuses_any(ines: httpx.Client, item: str, suffix: str) -> None:
    assert problem_of(ines.get(item + suffix)) == "invalid-fields"


@pytest.mark.parametrize(
    "id_", ["1", "018F0000", "0" * 32, "{" + "0" * 8 + "}", "018f0000-0000-7000-9000-00000000000g"]
)
def test_an_id_that_is_none_is_404(ines: httpx.Client, id_: str) -> None:
    assert problem_of(ines.get(f"{PATH}/{id_}")) == "not-found"


def test_an_unknown_id_is_404_and_upper_case_finds_the_same(ines: httpx.Client, project: dict[str, Any]) -> None:
    assert problem_of(ines.get(f"{PATH}/{uuid4()}")) == "not-found"
    assert ines.get(f"{PATH}/{project['id'].upper()}").json() == project


def test_an_invented_cursor_is_400(ines: httpx.Client) -> None:
    for cursor in ("123", "%F0%9F%98%80", "eyJhIjoxfQ"):
        assert problem_of(ines.get(f"{PATH}?cursor={cursor}")) == "invalid-cursor"


def test_pages_lead_to_each_other_and_keep_the_filter(ines: httpx.Client) -> None:
    for i in range(11):
        create(ines, key=f"k{i}", name=f"Project {i:02}", slug=f"p{i}", labels=["a b", "c"])
    answer = ines.get(PATH, params={"page_size": 5, "label": ["a b", "c"], "order": "name", "owner": "me"})
    seen, pages = [], []
    while True:
        page = answer.json()
        seen += [p["name"] for p in page["items"]]
        pages.append((page["page"], page["pages"], page["total"], page["page_size"], page["total_exact"]))
        if "next" not in answer.links:
            break
        assert page["next_cursor"] in answer.links["next"]["url"]
        answer = ines.get(answer.links["next"]["url"])
    assert seen == [f"Project {i:02}" for i in range(11)]
    assert pages == [(n, 3, 11, 5, True) for n in (1, 2, 3)]
    assert page["next_cursor"] is None
    assert len(ines.get(answer.links["prev"]["url"]).json()["items"]) == 5


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (10, 1), (11, 2)])
def test_the_last_page_is_the_last_with_rows(ines: httpx.Client, rows: int, pages: int) -> None:
    for i in range(rows):
        create(ines, key=f"k{i}", slug=f"p{i}")
    answer = ines.get(PATH, params={"page_size": 10})
    assert answer.json()["pages"] == pages
    assert ("next" in answer.links) == (pages > 1)


def test_a_list_has_a_tag_of_its_content(ines: httpx.Client, item: str) -> None:
    listed = ines.get(PATH)
    assert ines.get(PATH, headers={"If-None-Match": listed.headers["ETag"]}).status_code == 304
    ines.patch(item, json={"name": "Other"})
    changed = ines.get(PATH, headers={"If-None-Match": listed.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != listed.headers["ETag"]


def test_members_are_listed_given_a_role_and_taken_out(ines: httpx.Client, item: str) -> None:
    person = str(uuid4())
    given = ines.put(f"{item}/members/{person}", json={"role": "maintainer"})
    assert (given.status_code, given.json()["role"]) == (200, "maintainer")
    listed = ines.get(f"{item}/members")
    assert [m["role"] for m in listed.json()["items"]] == ["owner", "maintainer"]
    assert ines.get(f"{item}/members", headers={"If-None-Match": listed.headers["ETag"]}).status_code == 304
    assert ines.put(f"{item}/members/{person}", json={"role": "owner"}).status_code == 422
    stale = ines.put(f"{item}/members/{person}", json={"role": "viewer"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert ines.delete(f"{item}/members/{person}").status_code == 204
    assert ines.delete(f"{item}/members/{person}").status_code == 404


def test_compressed_and_plain_forms_have_tags_of_their_own_and_either_can_be_sent_back(
    ines: httpx.Client,
) -> None:
    item = create(ines, description="word " * 1_000).headers["Location"]
    plain = ines.get(item, headers={"Accept-Encoding": "identity"})
    with ines.stream("GET", item, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) == len(raw) < len(plain.content)
    assert gzip.decompress(raw) == plain.content
    assert (plain.headers["ETag"], packed.headers["ETag"]) == ('"1"', '"1-gzip"')
    assert plain.headers["Vary"] == packed.headers["Vary"]
    held = {"If-None-Match": packed.headers["ETag"]}
    again = ines.get(item, headers={**held, "Accept-Encoding": "gzip"})
    assert (again.status_code, again.headers["ETag"]) == (304, '"1-gzip"')
    assert ines.get(item, headers={**held, "Accept-Encoding": "identity"}).status_code == 200
    assert ines.patch(item, json={"name": "B"}, headers={"If-Match": packed.headers["ETag"]}).status_code == 200


def test_head_is_get_without_a_body(ines: httpx.Client, item: str) -> None:
    for path in (item, PATH, f"{item}/members", "/health", "/openapi.json", "/docs"):
        head, got = ines.head(path), ines.get(path)
        assert (head.status_code, head.content) == (got.status_code, b"")
        for name in ("ETag", "Content-Length", "Content-Type", "Cache-Control", "Vary"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)
    assert ines.head(f"{PATH}/{uuid4()}").status_code == 404
