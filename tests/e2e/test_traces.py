"""Every span of a thousand mixed requests, their jobs included, has its place and its form."""

import asyncio
import collections
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from chassis.testing.conventions import CONSUMER, PRODUCER, deviations, system_of
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


class Mixture:
    """Requests of all kinds, drawn from a seed; `expected` counts the statuses that their kinds must have."""

    def __init__(self, project: Mapping[str, Any], etag: str) -> None:
        self._random = random.Random(7)  # noqa: S311 - a mixture, no secret
        self._project, self._etag = project, etag
        self._numbers = itertools.count()

    def __iter__(self) -> Iterable[tuple[int, Step]]:  # type: ignore[override] # endless
        item = f"{PROJECTS}/{self._project['id']}"
        kinds: list[tuple[int, int, Step]] = [
            (25, 200, lambda c: c.get(item)),
            (20, 200, lambda c: c.get(PROJECTS, params={"page_size": "20", "text": "night"})),
            (10, 304, lambda c: c.get(item, headers={"If-None-Match": self._etag})),
            (10, 404, lambda c: c.get(f"{PROJECTS}/{uuid4()}")),
            (5, 404, lambda c: c.get("/api/v1/nothing")),
            (5, 422, lambda c: c.get(PROJECTS, params={"page": "x"})),
            (5, 422, lambda c: c.post(PROJECTS, json={"nmae": "x"}, headers=key())),
            (8, 201, lambda c: c.post(PROJECTS, json={"name": f"Made {uuid4().hex[:8]}"}, headers=key())),
            (5, 200, lambda c: c.post(PROJECTS, json={"name": "Again"}, headers=key(f"again-{self._project['id']}"))),
            (4, 201, lambda c: c.post(f"{item}/invitations", json=self._guest(), headers=key())),
            (3, 200, lambda c: c.get("/api/v1/status")),
        ]
        weights = [weight for weight, _, _ in kinds]
        while True:
            ((_, status, step),) = self._random.choices(kinds, weights)
            yield status, step

    def _guest(self) -> dict[str, str]:
        return {"email": f"guest{next(self._numbers)}@{uuid4().hex[:8]}.example.test", "role": "viewer"}


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
        traces = await ask(client, Mixture(made.json(), made.headers["etag"]))
        assert len(traces) == REQUESTS
        spans = await asyncio.to_thread(otlp.wait_for, lambda found: complete(found, traces))
        await client.delete(f"/api/v1/webhooks/{hook.json()['id']}", headers={"If-Match": '"1"'})

    ours = [span for span in spans if span.trace_id in traces]
    broken = [f"{span.service} {span.name!r} {fault}" for span in ours for fault in deviations(span)]
    broken += [f"{trace}: {len(roots)} roots" for trace, roots in roots_of(ours).items() if len(roots) != 1]
    broken += [f"{trace}: no span" for trace in traces.keys() - {span.trace_id for span in ours}]
    assert collections.Counter(broken) == {}
    systems = collections.Counter(map(system_of, ours))
    assert {"http", "rpc", "postgresql", "redis", "celery", "smtp"} <= set(systems)


async def ask(client: httpx.AsyncClient, mixture: Mixture) -> dict[str, int]:
    """Send the requests, a few at once, and give the status of each by its trace id."""
    answers: dict[str, int] = {}
    steps = list(itertools.islice(iter(mixture), REQUESTS))  # type: ignore[call-overload] # as above

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
    """Whether every request has its root, and every job that was sent was done with what it is for."""
    ours = [span for span in found if span.trace_id in traces]
    rooted = {span.trace_id for span in ours if not span.parent}
    parents = {span.parent for span in ours}
    sent = [span for span in ours if span.kind == PRODUCER]
    done = [span for span in ours if span.kind == CONSUMER]
    inner = {span.parent for span in ours if system_of(span) in {"smtp", "http"}}
    return (
        len(rooted) == len(traces)
        and bool(sent)
        and all(span.span_id in parents for span in sent)
        and all(span.span_id in inner for span in done if span.attributes["neoforge.job.kind"] in JOBS)
        and {s.attributes["neoforge.job.kind"] for s in done} >= set(JOBS)
    )


def roots_of(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """Give, of each trace, the spans that have no parent in it."""
    by_trace: dict[str, list[Span]] = collections.defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    return {
        trace: [s for s in each if s.parent not in {other.span_id for other in each}]
        for trace, each in by_trace.items()
    }
