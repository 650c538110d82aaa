"""Every span of a thousand mixed requests, their jobs included, has its place and its form."""

import asyncio
import collections
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from chassis.testing.conventions import CLIENT, CONSUMER, PRODUCER, SERVER, deviations, system_of
from chassis.testing.otlp import OtlpReceiver, Span
from chassis.testing.receiver import Receiver
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

REQUESTS: Final = 1_000
AT_ONCE: Final = 16
PROJECTS: Final = "/api/v1/projects"
JOBS: Final = {"mail.send": "smtp", "webhook.deliver": "http"}

Step = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def key(text: str = "") -> dict[str, str]:
    return {"Idempotency-Key": f'"{text or uuid4()}"'}


INVITE: Final = "neoforge.projects.v1.InvitationsService/InviteMember"
WAY: Final = (
    ("envoy", SERVER, "POST"),
    ("gateway", SERVER, f"POST {PROJECTS}/{{project_id}}/invitations"),
    ("gateway", CLIENT, INVITE),
    ("projects", SERVER, INVITE),
)
"""Of an invitation, from the edge to the service: each is the parent of the next."""
QUEUES: Final = {"mail.send": "projects.slow", "webhook.deliver": "projects.webhooks"}
"""Which queue leads from there to the jobs that it causes."""


def mixture(project: Mapping[str, Any], etag: str) -> Iterator[tuple[int, Step]]:
    """Give requests of all kinds without end, in an order drawn from a seed, each with the status that it must have."""
    item, numbers = f"{PROJECTS}/{project['id']}", itertools.count()

    def guest() -> dict[str, str]:
        return {"email": f"guest{next(numbers)}@{uuid4().hex[:8]}.example.test", "role": "viewer"}

    kinds: list[tuple[int, int, Step]] = [
        (25, 200, lambda c: c.get(item)),
        (20, 200, lambda c: c.get(PROJECTS, params={"page_size": "20", "text": "night"})),
        (10, 304, lambda c: c.get(item, headers={"If-None-Match": etag})),
        (10, 404, lambda c: c.get(f"{PROJECTS}/{uuid4()}")),
        (5, 404, lambda c: c.get("/api/v1/nothing")),
        (5, 422, lambda c: c.get(PROJECTS, params={"page": "x"})),
        (5, 422, lambda c: c.post(PROJECTS, json={"nmae": "x"}, headers=key())),
        (8, 201, lambda c: c.post(PROJECTS, json={"name": f"Made {uuid4().hex[:8]}"}, headers=key())),
        (5, 200, lambda c: c.post(PROJECTS, json={"name": "Again"}, headers=key(f"again-{project['id']}"))),
        (4, 201, lambda c: c.post(f"{item}/invitations", json=guest(), headers=key())),
        (3, 200, lambda c: c.get("/api/v1/status")),
    ]
    chance = random.Random(7)  # noqa: S311 - a mixture, no secret
    while True:
        ((_, status, step),) = chance.choices(kinds, [weight for weight, _, _ in kinds])
        yield status, step


async def test_every_span_of_a_thousand_requests_and_their_jobs_has_its_place_and_its_form(
    stack: Stack, otlp: OtlpReceiver
) -> None:
    headers = {"Authorization": f"Bearer {await asyncio.to_thread(stack.token, 'tomas')}"}
    async with (
        Receiver() as receiver,
        httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client,
    ):
        hook = await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=key())
        made = await client.post(PROJECTS, json={"name": f"Traced {uuid4().hex[:8]}"}, headers=key())
        again = key(f"again-{made.json()['id']}")
        await client.post(PROJECTS, json={"name": "Again"}, headers=again)
        mine = {"name": "traced"}
        told = await client.post("/api/v1/auth/access-tokens", json=mine, headers=key())
        personal = {"Authorization": f"Bearer {told.json()['token']}"}
        assert (await client.get(PROJECTS, headers=personal)).status_code == 200
        traces = await ask(client, mixture(made.json(), made.headers["etag"]))
        assert len(traces) == REQUESTS
        with contextlib.suppress(TimeoutError):  # then what is missing is named below
            await asyncio.to_thread(otlp.wait_for, lambda found: complete(found, traces))
        await client.delete(f"/api/v1/webhooks/{hook.json()['id']}", headers={"If-Match": '"1"'})

    ours = [span for span in otlp.spans() if span.trace_id in traces]
    broken = [f"{span.service} {span.name!r} {fault}" for span in ours for fault in deviations(span)]
    for _, *more in roots_of(ours).values():
        broken += [f"{span.service} {span.name!r} has no parent" for span in more]
    broken += [f"{trace}: no span" for trace in traces.keys() - {span.trace_id for span in ours}]
    assert collections.Counter(broken) == {}
    assert {system_of(span) for span in ours} == {"http", "rpc", "postgresql", "redis", "celery", "smtp"}
    # Whatever a service is asked for is somebody's request, or says that it is to leave no trace.
    assert [s.name for s in otlp.spans() if (system_of(s), s.kind, s.parent) == ("rpc", SERVER, "")] == []
    by_id = {span.span_id: span for span in ours}
    jobs = [span for span in ours if span.kind == CONSUMER]
    assert {by_id[span.parent].kind for span in jobs} == {PRODUCER}
    assert all(span.parent in span.links for span in jobs)
    outcomes = collections.Counter((span.attributes["neoforge.job.kind"], span.failed) for span in jobs)
    assert set(outcomes) == {(kind, False) for kind in JOBS}
    assert_routes(ours, traces)


async def test_one_trace_leads_from_the_edge_over_sql_redis_and_the_outbox_to_the_mail_and_the_webhook(
    stack: Stack, otlp: OtlpReceiver
) -> None:
    headers = {"Authorization": f"Bearer {await asyncio.to_thread(stack.token, 'tomas')}"}
    guest = {"email": f"guest@{uuid4().hex[:8]}.example.test", "role": "viewer"}
    async with (
        Receiver() as receiver,
        httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client,
    ):
        hook = await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=key())
        made = await client.post(PROJECTS, json={"name": f"Traced {uuid4().hex[:8]}"}, headers=key())
        sent = await client.post(f"{PROJECTS}/{made.json()['id']}/invitations", json=guest, headers=key())
        trace = sent.headers["x-trace-id"]
        spans = await asyncio.to_thread(otlp.wait_for, lambda found: complete(found, {trace: 201}), trace)
        await client.delete(f"/api/v1/webhooks/{hook.json()['id']}", headers={"If-Match": '"1"'})

    by_id = {span.span_id: span for span in spans}

    def way(span: Span | None) -> list[tuple[str, int, str]]:
        """Give the span and what is above it, the root first."""
        return [*way(by_id.get(span.parent)), (span.service, span.kind, span.name)] if span else []

    jobs = {span.attributes["neoforge.job.kind"]: span for span in spans if span.kind == CONSUMER}
    assert set(jobs) == set(JOBS)
    for kind, queue in QUEUES.items():
        led = (("projects", PRODUCER, f"send {queue}"), ("projects", CONSUMER, f"process {queue}"))
        assert tuple(way(jobs[kind])) == (*WAY, *led)
    assert all(job.links == (job.parent,) for job in jobs.values())
    below = {parent: {s.name for s in spans if s.parent == parent and s.kind == CLIENT} for parent in by_id}
    host = f"127.0.0.1:{stack.port + 5}"
    assert f"send {host}" in below[jobs["mail.send"].span_id]
    assert "POST" in below[jobs["webhook.deliver"].span_id]
    edge, served = (next(s for s in spans if (s.service, s.kind, s.name) == WAY[at]) for at in (1, 3))
    assert below[edge.span_id] == {"EVALSHA gcra", INVITE}
    assert {"INSERT invitations", "INSERT outbox", "INSERT idempotency_keys", "COMMIT"} <= below[served.span_id]
    assert [fault for span in spans for fault in deviations(span)] == []


def assert_routes(spans: Iterable[Span], traces: Mapping[str, int]) -> None:
    """Whatever the answer was, 404 and 422 included, the gateway's span has the route's template and the status."""
    served = [span for span in spans if span.service == "gateway" and span.kind == SERVER]
    assert {span.trace_id: span.attributes["http.response.status_code"] for span in served} == traces
    routes = collections.defaultdict(set)
    for span in served:
        routes[span.attributes["http.response.status_code"]].add(span.name)
    assert routes[422] == {f"GET {PROJECTS}", f"POST {PROJECTS}"}
    assert routes[404] == {f"GET {PROJECTS}/{{project_id}}", "GET"}


async def ask(client: httpx.AsyncClient, steps_of: Iterator[tuple[int, Step]]) -> dict[str, int]:
    """Send the requests, a few at once, and give the status of each by its trace id."""
    answers: dict[str, int] = {}
    steps = list(itertools.islice(steps_of, REQUESTS))

    async def work() -> None:
        while steps:
            expected, step = steps.pop()
            answer = await step(client)
            if answer.status_code == 429:  # the quota of a minute: come again
                steps.append((expected, step))
                await asyncio.sleep(float(answer.headers["retry-after"]))
                continue
            assert answer.status_code == expected, answer.text
            answers[answer.headers["x-trace-id"]] = answer.status_code

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return answers


def complete(found: Sequence[Span], traces: Mapping[str, int]) -> bool:
    """Whether every request has its root, every span its parent, and every job that was sent the one thing it does."""
    ours = [span for span in found if span.trace_id in traces]
    if len({span.trace_id for span in ours if not span.parent}) < len(traces):
        return False
    ids, parents = {span.span_id for span in ours}, {span.parent for span in ours}
    inner = {span.parent for span in ours if system_of(span) in set(JOBS.values())}
    done = [span for span in ours if span.kind == CONSUMER]
    return (
        parents <= ids | {""}
        and all(span.span_id in parents for span in ours if span.kind == PRODUCER)
        and all(span.span_id in inner for span in done)
        and {span.attributes["neoforge.job.kind"] for span in done} >= set(JOBS)
    )


def roots_of(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """Give, of each trace, the spans that have no parent in it, the first to start first."""
    by_trace: dict[str, list[Span]] = collections.defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    return {
        trace: sorted(
            (s for s in each if s.parent not in {other.span_id for other in each}), key=lambda s: s.started_ns
        )
        for trace, each in by_trace.items()
    }
