from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic_core import from_json
from standardwebhooks import Webhook

from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.jobs import JobRunner
from chassis.testing.receiver import Receiver
from neoforge.common.v1 import webhooks_pb2 as pb
from neoforge.status.v1 import components_pb2 as components_pb
from neoforge.status.v1 import incidents_pb2, maintenances_pb2
from status import jobs
from status.testing import Board

Refused = Callable[[Awaitable[Any]], Awaitable[str]]


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [from_json(one.body) for one in receiver.arrived]


async def test_a_webhook_is_told_signed_of_incidents_and_components(
    board: Board, call: Client, mara: Caller, run_jobs: JobRunner, receiver: Receiver
) -> None:
    made = await call(mara, "CreateWebhook", pb.CreateWebhookRequest(url=receiver.url))
    api = await board.component()
    affected = incidents_pb2.AffectedComponent(component_id=api.id, status=components_pb.COMPONENT_STATUS_DEGRADED)
    opened = await board.incident("Slow", components=[affected])
    await board.tell(opened, "Over.", status=incidents_pb2.INCIDENT_STATUS_RESOLVED)
    await run_jobs()
    assert sorted(one["type"] for one in told(receiver)) == [
        "component.changed",
        "incident.opened",
        "incident.resolved",
    ]
    for one in receiver.arrived:
        Webhook(made.secret).verify(one.body, dict(one.headers))
    [change] = [one["data"] for one in told(receiver) if one["type"] == "component.changed"]
    assert (change["component"]["slug"], change["event"]["status"]) == ("api", "degraded")
    assert "created_by" not in change["event"]
    [over] = [one["data"] for one in told(receiver) if one["type"] == "incident.resolved"]
    assert (over["incident"]["id"], over["incident"]["version"], over["update"]["body"]) == (opened.id, 2, "Over.")
    assert over["update"].keys() == {"id", "status", "body", "created_at"}
    [first] = [one["data"] for one in told(receiver) if one["type"] == "incident.opened"]
    assert (first["incident"]["status"], first["incident"]["version"]) == ("investigating", 1)
    assert first["incident"]["resolved_at"] is None


async def test_planned_maintenance_is_told_as_it_was_planned_even_if_it_was_called_off_since(
    board: Board, call: Client, ines: Caller, mara: Caller, run_jobs: JobRunner, receiver: Receiver
) -> None:
    await call(mara, "CreateWebhook", pb.CreateWebhookRequest(url=receiver.url))
    window = await board.window(starts=timedelta(hours=1), ends=timedelta(hours=2))
    await call(ines, "DeleteMaintenance", maintenances_pb2.DeleteMaintenanceRequest(id=window.id))
    await run_jobs()
    [planned] = told(receiver)
    told_of = planned["data"]["maintenance"]
    assert (planned["type"], told_of["id"], told_of["status"]) == ("maintenance.planned", window.id, "scheduled")


async def test_everyone_who_has_webhooks_is_told_once_however_many(
    board: Board,
    call: Client,
    ines: Caller,
    tomas: Caller,
    mara: Caller,
    run_jobs: JobRunner,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 1)
    for person in (ines, tomas, mara):
        request = pb.CreateWebhookRequest(url=receiver.url, events=["incident.opened"])
        await call(person, "CreateWebhook", request)
    await board.incident()
    await run_jobs()
    assert [one["type"] for one in told(receiver)] == ["incident.opened"] * 3
    assert len({one.headers["webhook-id"] for one in receiver.arrived}) == 3


async def test_a_webhook_is_its_owners_and_leads_to_no_inner_network(
    call: Client, mara: Caller, tomas: Caller, refused: Refused
) -> None:
    inner = pb.CreateWebhookRequest(url="http://169.254.169.254/latest/meta-data")
    assert await refused(call(mara, "CreateWebhook", inner)) == "INVALID_FIELDS"
    request = pb.CreateWebhookRequest(url="https://hooks.example.com/x", description="Mine")
    assert await refused(call(NOBODY, "CreateWebhook", request)) == "UNAUTHENTICATED"
    made = await call(mara, "CreateWebhook", request)
    assert not (await call(tomas, "ListWebhooks", pb.ListWebhooksRequest())).webhooks
    remove = pb.DeleteWebhookRequest(id=made.webhook.id)
    assert await refused(call(tomas, "DeleteWebhook", remove)) == "NOT_FOUND"
    [listed] = (await call(mara, "ListWebhooks", pb.ListWebhooksRequest())).webhooks
    assert listed == made.webhook
    await call(mara, "DeleteWebhook", remove)
    assert not (await call(mara, "ListWebhooks", pb.ListWebhooksRequest())).webhooks


async def test_an_admin_reads_lists_and_removes_anyones_webhooks(
    call: Client, ines: Caller, mara: Caller, tomas: Caller, refused: Refused
) -> None:
    made = [
        (await call(person, "CreateWebhook", pb.CreateWebhookRequest(url="https://hooks.example.com/x"))).webhook
        for person in (mara, tomas, mara)
    ]
    everyones = pb.ListWebhooksRequest(everyones=True)
    maras = pb.ListWebhooksRequest(owner_id=str(mara.subject))
    assert list((await call(ines, "ListWebhooks", everyones)).webhooks) == made[::-1]
    assert list((await call(ines, "ListWebhooks", maras)).webhooks) == [made[2], made[0]]
    assert not (await call(ines, "ListWebhooks", pb.ListWebhooksRequest())).webhooks
    for request in (everyones, maras):
        assert await refused(call(tomas, "ListWebhooks", request)) == "FORBIDDEN"
    assert list((await call(mara, "ListWebhooks", maras)).webhooks) == [made[2], made[0]]
    assert (await call(ines, "GetWebhook", pb.GetWebhookRequest(id=made[0].id))).webhook == made[0]
    assert await refused(call(ines, "RotateSecret", pb.RotateSecretRequest(id=made[0].id))) == "NOT_FOUND"
    await call(ines, "DeleteWebhook", pb.DeleteWebhookRequest(id=made[0].id))
    assert await refused(call(mara, "GetWebhook", pb.GetWebhookRequest(id=made[0].id))) == "NOT_FOUND"


async def test_a_repeated_creation_shows_the_same_secret(call: Client, mara: Caller) -> None:
    request = pb.CreateWebhookRequest(url="https://hooks.example.com/x")
    first = await call.full(mara, "CreateWebhook", request, key="k1")
    again = await call.full(mara, "CreateWebhook", request, key="k1")
    assert (again.replayed, again.message) == (True, first.message)
