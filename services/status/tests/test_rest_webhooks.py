"""The webhooks of the status page through the gateway: all that the projects' have."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from chassis.identity import Caller
from chassis.testing.jobs import JobRunner
from chassis.testing.receiver import Receiver, answer

Rest = Callable[[Caller], httpx.AsyncClient]
WEBHOOKS = "/api/v1/status/webhooks"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await client.post(path, json=body or None, headers={"Idempotency-Key": f'"{uuid4()}"'})


async def test_a_webhook_is_read_changed_tested_replayed_and_given_a_new_secret(
    rest: Rest, ines: Caller, mara: Caller, tomas: Caller, run_jobs: JobRunner, receiver: Receiver
) -> None:
    own, admin, other = rest(mara), rest(ines), rest(tomas)
    made = await post(own, WEBHOOKS, url=receiver.url, events=["incident.opened"], contact="mara@example.test")
    assert (made.status_code, made.headers["etag"], made.json()["owner_id"]) == (201, '"1"', str(mara.subject))
    path = made.headers["location"]
    assert (await own.get(path)).json() == {k: v for k, v in made.json().items() if k != "secret"}
    assert (await own.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    changed = await own.patch(path, json={"description": "Pager"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["description"], changed.headers["etag"]) == (200, "Pager", '"2"')
    receiver.answers.append(answer(500))
    tested = await post(own, f"{path}/test")
    await run_jobs()
    message = tested.json()["message_id"]
    assert (await post(own, f"{path}/messages/{message}/replay")).status_code == 202
    await run_jobs()
    attempts = (await own.get(f"{path}/attempts", params={"message_id": message})).json()["items"]
    assert [one["status"] for one in attempts] == [204, 500]
    rotated = await post(own, f"{path}/rotate-secret", overlap_seconds=0)
    assert rotated.json()["secret"] != made.json()["secret"]
    assert (await other.get(path)).status_code == 404
    assert (await other.get(WEBHOOKS, params={"owner_id": "any"})).status_code == 403
    for query in ({"owner_id": "any"}, {"owner_id": str(mara.subject)}):
        assert [one["id"] for one in (await admin.get(WEBHOOKS, params=query)).json()["items"]] == [made.json()["id"]]
    wrong = await post(own, WEBHOOKS, url=receiver.url, events=["project.created"])
    assert wrong.status_code == 422
    assert (await admin.delete(path)).status_code == 204
    assert (await own.get(path)).status_code == 404
