import asyncio
import json
from uuid import uuid4

import httpx
import pytest
import standardwebhooks

from chassis.testing.otlp import OtlpReceiver
from chassis.testing.receiver import Receiver
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

WAIT_S = 30
CLIENT = 3
"""SpanKind of OTLP."""


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


async def test_what_happens_to_a_project_arrives_signed_and_in_the_trace_of_the_request_that_caused_it(
    stack: Stack, otlp: OtlpReceiver
) -> None:
    trace_id = uuid4().hex
    headers = {"Authorization": f"Bearer {await asyncio.to_thread(stack.token, 'tomas')}"}
    async with Receiver() as receiver, httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=WAIT_S) as client:
        webhook = (await client.post("/api/v1/webhooks", json={"url": receiver.url}, headers=key())).json()
        caused = await client.post(
            "/api/v1/projects",
            json={"name": f"Told {trace_id}"},
            headers={**key(), "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
        )
        await arrivals(receiver, 1)
        tested = await client.post(f"/api/v1/webhooks/{webhook['id']}/test", headers=key())
        await arrivals(receiver, 2)
        gone = await client.delete(f"/api/v1/webhooks/{webhook['id']}", headers={"If-Match": '"1"'})
    assert (caused.status_code, tested.status_code, gone.status_code) == (201, 202, 204)
    told, test = receiver.arrived
    assert (
        standardwebhooks.Webhook(webhook["secret"]).verify(told.body, dict(told.headers))["type"] == "project.created"
    )
    assert json.loads(told.body)["data"]["project"]["id"] == caused.json()["id"]
    assert test.headers["webhook-id"] == tested.json()["message_id"]
    spans = await asyncio.to_thread(
        otlp.wait_for, lambda found: any(s.name == "POST" and s.kind == CLIENT for s in found), trace_id
    )
    [sent] = [s for s in spans if s.name == "POST" and s.kind == CLIENT]
    assert (sent.attributes["http.response.status_code"], sent.attributes["server.port"]) == (204, receiver.port)


async def arrivals(receiver: Receiver, number: int) -> None:
    """Wait until so many requests have arrived."""
    async with asyncio.timeout(WAIT_S):
        while len(receiver.arrived) < number:  # noqa: ASYNC110 - it arrives from another process
            await asyncio.sleep(0.02)
