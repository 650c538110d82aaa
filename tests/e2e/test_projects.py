"""The main job on real input, through Envoy, the gateway, the service and PostgreSQL."""

import gzip
import json
import os
import signal
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.testing.otlp import OtlpReceiver, Span
from chassis.testing.waiting import wait_for
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

PROJECTS = "/api/v1/projects"


def create(client: httpx.Client, key: str | None = None, **fields: Any) -> httpx.Response:
    body = {"name": f"Project {uuid4().hex[:8]}"} | fields
    return client.post(PROJECTS, json=body, headers={"Idempotency-Key": f'"{key or uuid4().hex}"'})


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["trace_id"] == response.headers["x-trace-id"]
    assert body["type"]
    assert body["title"]
    return body


def test_a_project_lives_from_creation_to_deletion(stack: Stack) -> None:
    with stack.client() as client:
        made = create(client, name="Apollo", labels=["space"])
        assert made.status_code == 201
        location, etag, body = made.headers["location"], made.headers["etag"], made.json()
        assert location.endswith(f"{PROJECTS}/{body['id']}")
        assert (body["slug"].startswith("apollo"), body["version"], body["visibility"]) == (True, 1, "private")

        read = client.get(location)
        assert (read.status_code, read.json(), read.headers["etag"]) == (200, body, etag)
        unchanged = client.get(location, headers={"If-None-Match": f"W/{etag}"})
        assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)

        changed = client.patch(location, json={"description": "To the moon"}, headers={"If-Match": etag})
        assert (changed.status_code, changed.json()["version"]) == (200, 2)
        problem(client.patch(location, json={"description": "x"}, headers={"If-Match": etag}), 412)

        assert client.delete(location, headers={"If-Match": changed.headers["etag"]}).status_code == 204
        problem(client.get(location), 404)


def test_a_repeated_create_is_answered_with_the_first_reply(stack: Stack) -> None:
    key, name = uuid4().hex, f"Twice {uuid4().hex[:8]}"
    with stack.client() as client:
        first, second = (create(client, key, name=name) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 200)
        assert second.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        assert second.content == first.content
        assert (second.headers["etag"], second.headers["location"]) == (
            first.headers["etag"],
            first.headers["location"],
        )
        problem(create(client, key, name="Another payload"), 422)
        found = client.get(PROJECTS, params={"text": name})
        assert found.json()["total"] == 1


def test_pages_cover_every_project_once_and_revalidate(stack: Stack) -> None:
    label = f"paged-{uuid4().hex[:8]}"
    with stack.client() as client:
        made = [create(client, labels=[label]).json()["id"] for _ in range(7)]
        query: dict[str, Any] = {"label": label, "page_size": 3, "order": "created_at"}
        seen: list[str] = []
        page = client.get(PROJECTS, params=query)
        again = client.get(PROJECTS, params=query, headers={"If-None-Match": page.headers["etag"]})
        assert (again.status_code, again.headers["etag"]) == (304, page.headers["etag"])
        while True:
            body = page.json()
            assert (body["total"], body["pages"], body["page_size"]) == (7, 3, 3)
            seen += [item["id"] for item in body["items"]]
            if not body["next_cursor"]:
                break
            page = client.get(PROJECTS, params=query | {"cursor": body["next_cursor"]})
        assert seen == made
        by_number = [
            i["id"] for n in (1, 2, 3) for i in client.get(PROJECTS, params=query | {"page": n}).json()["items"]
        ]
        assert by_number == made


BAD_BODIES = {
    "malformed": (b'{"name": ', "application/json", 400),
    "not an object": (b"[]", "application/json", 422),
    "wrong type": (b'{"name": 5}', "application/json", 422),
    "unknown field": (b'{"name": "x", "nmae": "y"}', "application/json", 422),
    "NUL": (b'{"name": "a\\u0000b"}', "application/json", 422),
    "lone surrogate": (b'{"name": "a\\ud800b"}', "application/json", 400),
    "not UTF-8": (b'{"name": "\xff\xfe"}', "application/json", 400),
    "UTF-16": ('{"name": "x"}'.encode("utf-16"), "application/json", 400),
    "NaN": (b'{"name": NaN}', "application/json", 400),
    "too long": (json.dumps({"name": "x" * 201}).encode(), "application/json", 422),
    "nested": (b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "application/json", 400),
    "oversized": (b'{"name": "' + b"x" * (1 << 20) + b'"}', "application/json", 413),
    "wrong media type": (b"name=x", "application/x-www-form-urlencoded", 415),
    "compressed": (gzip.compress(b'{"name": "x"}'), "application/gzip", 415),
    "empty": (b"", "application/json", 400),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_gets_its_own_problem_and_creates_nothing(stack: Stack, name: str) -> None:
    content, media_type, status = BAD_BODIES[name]
    with stack.client() as client:
        before = client.get(PROJECTS).json()["total"]
        headers = {"Content-Type": media_type, "Idempotency-Key": f'"{uuid4().hex}"'}
        problem(client.post(PROJECTS, content=content, headers=headers), status)
        assert client.get(PROJECTS).json()["total"] == before


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(stack: Stack) -> None:
    with stack.client() as client:
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{uuid4().hex}"'}
        chunks = (b"x" * 65_536 for _ in range(32))
        problem(client.post(PROJECTS, content=chunks, headers=headers), 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{PROJECTS}/018f0000-0000-7000-8000-00000000dead", 404),
        ("GET", f"{PROJECTS}/not-a-uuid", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", PROJECTS, 405),
        ("GET", f"{PROJECTS}?page_size=1000", 422),
        ("GET", f"{PROJECTS}?page_size=99999999999999999999", 422),
        ("GET", f"{PROJECTS}?stauts=active", 422),
        ("GET", f"{PROJECTS}?cursor=123", 400),
        ("GET", f"{PROJECTS}?cursor=%00", 400),
        ("GET", f"{PROJECTS}?order=colour", 422),
    ],
)
def test_a_bad_request_gets_its_own_problem(stack: Stack, method: str, path: str, status: int) -> None:
    with stack.client() as client:
        problem(client.request(method, path), status)


def test_a_long_but_allowed_body_is_read_whole(stack: Stack) -> None:
    with stack.client() as client:
        description = "ä" * 10_000
        body = json.dumps({"name": "Long", "slug": f"long-{uuid4().hex[:8]}", "description": description})
        padded = body.replace("{", "{" + " " * 900_000, 1).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{uuid4().hex}"'}
        made = client.post(PROJECTS, content=padded, headers=headers)
        assert (made.status_code, made.json()["description"]) == (201, description)


def test_nobody_reads_projects_without_signing_in(stack: Stack) -> None:
    with stack.client(None) as client:
        assert "www-authenticate" in client.get(PROJECTS).headers
        problem(client.get(PROJECTS), 401)
        problem(client.get(PROJECTS, headers={"Authorization": "Bearer a.b.c"}), 401)


def test_limits_are_told_and_a_client_that_waits_succeeds(stack: Stack) -> None:
    with stack.client("mara") as client:
        answer = client.get(PROJECTS)
        limit, left = int(answer.headers["x-ratelimit-limit"]), int(answer.headers["x-ratelimit-remaining"])
        assert 0 < left <= limit
        assert abs(int(answer.headers["x-ratelimit-reset"]) - time.time()) <= 3600
        assert "ratelimit" in answer.headers
        assert "ratelimit-policy" in answer.headers


def test_one_trace_goes_through_envoy_gateway_service_and_database(stack: Stack, otlp: OtlpReceiver) -> None:
    with stack.client() as client:
        trace_id = create(client).headers["x-trace-id"]

    def complete(spans: list[Span]) -> bool:
        here = {"envoy", "gateway", "projects"} <= {s.service for s in spans}
        return here and {s.parent for s in spans} <= {"", *(s.span_id for s in spans)}

    spans = otlp.wait_for(complete, trace_id)  # type: ignore[arg-type]
    by_id = {span.span_id: span for span in spans}
    (root,) = (span for span in spans if not span.parent)
    assert root.service == "envoy"
    statement = next(s for s in spans if s.name.startswith("INSERT projects"))
    chain = [statement]
    while chain[-1].parent:
        chain.append(by_id[chain[-1].parent])
    assert [span.service for span in chain][0:2] == ["projects", "projects"]
    names = [span.name for span in reversed(chain)]
    assert names[-2] == "neoforge.projects.v1.ProjectsService/CreateProject"
    assert "POST /api/v1/projects" in names
    assert chain[-1] is root


def test_a_killed_service_is_named_and_comes_back_by_itself(stack: Stack) -> None:
    with stack.client() as client:
        made = create(client)

        def ready() -> tuple[int, str]:
            answer = client.get("/ready")
            return answer.status_code, answer.json().get("projects")

        os.kill(stack.process.pid, signal.SIGSTOP)  # nobody starts it again before we have looked
        try:
            os.kill(stack.pid_of("projects", "serve"), signal.SIGKILL)
            wait_for(lambda: ready() == (503, "down"))
            answer = client.get(made.headers["location"])
            problem(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        finally:
            os.kill(stack.process.pid, signal.SIGCONT)

        seen: list[httpx.Response] = []

        def is_back() -> bool:
            seen.append(client.get(made.headers["location"]))
            return seen[-1].status_code == 200 and ready() == (200, "ok")

        wait_for(is_back, 60)
        assert {answer.status_code for answer in seen} <= {200, 503}
        assert seen[-1].json() == made.json()


def lines_of(request_id: str, log: str) -> list[dict[str, Any]]:
    whole = log.rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines() if request_id in line]


def test_every_log_line_of_a_request_carries_its_ids(stack: Stack) -> None:
    request_id = f"e2e-{uuid4().hex}"
    with stack.client() as client:
        answer = client.get(f"{PROJECTS}/018f0000-0000-7000-8000-00000000dead", headers={"X-Request-Id": request_id})
        assert answer.headers["x-request-id"] == request_id
    for part in ("gateway", "projects"):
        lines = wait_for(lambda part=part: lines_of(request_id, stack.logs(part)))  # written after the answer
        assert {line["trace_id"] for line in lines} == {answer.headers["x-trace-id"]}
        assert all(line["span_id"] for line in lines)
