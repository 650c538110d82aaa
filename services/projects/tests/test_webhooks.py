import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
import standardwebhooks
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from chassis.testing.jobs import JobRunner
from chassis.testing.plugin import Logins
from chassis.testing.receiver import Receiver, answer
from devstack.mailcatcher import message
from devstack.mailcatcher.catcher import Catcher
from neoforge.common.v1 import webhooks_pb2
from neoforge.common.v1 import webhooks_pb2 as pb
from neoforge.projects.v1 import projects_pb2


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest_asyncio.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path) as running:
        yield running


@pytest.fixture
def own_settings(own_settings: Mapping[str, Any], catcher: Catcher) -> Mapping[str, Any]:
    return {**own_settings, "smtp_url": f"smtp://127.0.0.1:{catcher.smtp_port}"}


async def make(call: Client, person: Caller, receiver: Receiver, *events: str) -> pb.CreateWebhookResponse:
    made: pb.CreateWebhookResponse = await call(
        person, "CreateWebhook", pb.CreateWebhookRequest(url=receiver.url, events=events, contact="ines@example.test")
    )
    return made


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(arrived.body) for arrived in receiver.arrived]


async def change(call: Client, person: Caller, project_id: str, **values: Any) -> projects_pb2.Project:
    request = projects_pb2.UpdateProjectRequest(
        project=projects_pb2.Project(id=project_id, **values), update_mask=FieldMask(paths=list(values))
    )
    changed: projects_pb2.Project = (await call(person, "UpdateProject", request)).project
    return changed


async def test_everything_that_happens_to_a_project_is_told_to_its_owners_webhooks(
    call: Client, ines: Caller, tomas: Caller, receiver: Receiver, run_jobs: JobRunner
) -> None:
    secret = (await make(call, ines, receiver)).secret
    project = (
        await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Büro 🚀", labels=["a"]))
    ).project
    member = projects_pb2.SetMemberRequest(
        project_id=project.id, user_id=str(tomas.subject), role=projects_pb2.ROLE_MAINTAINER
    )
    await call(ines, "SetMember", member)
    await change(call, tomas, project.id, description="by a maintainer")
    await change(call, ines, project.id, status=projects_pb2.STATUS_ARCHIVED, name="Old")
    await change(call, ines, project.id, status=projects_pb2.STATUS_ACTIVE)
    await call(
        tomas,
        "RemoveMember",
        projects_pb2.RemoveMemberRequest(project_id=project.id, user_id=str(tomas.subject)),
    )
    await call(ines, "DeleteProject", projects_pb2.DeleteProjectRequest(id=project.id))
    await run_jobs()
    events = sorted(told(receiver), key=lambda event: event["timestamp"])
    assert [(event["type"], event["data"]["project"]["version"]) for event in events] == [
        ("project.created", 1),
        ("project.member_added", 1),
        ("project.updated", 2),
        ("project.archived", 3),
        ("project.updated", 4),
        ("project.member_removed", 4),
        ("project.deleted", 4),
    ]
    assert events[0]["data"]["project"] == {
        "id": project.id,
        "slug": "buro",
        "name": "Büro 🚀",
        "description": "",
        "status": "active",
        "visibility": "private",
        "owner_id": str(ines.subject),
        "labels": ["a"],
        "created_at": events[0]["data"]["project"]["created_at"],
        "updated_at": events[0]["data"]["project"]["updated_at"],
        "version": 1,
    }
    assert events[1]["data"]["member"] == {"user_id": str(tomas.subject), "role": "maintainer"}
    for arrived in receiver.arrived:
        standardwebhooks.Webhook(secret).verify(arrived.body, dict(arrived.headers))


async def test_what_changes_nothing_and_what_is_refused_is_no_event(
    call: Client, ines: Caller, tomas: Caller, receiver: Receiver, run_jobs: JobRunner
) -> None:
    await make(call, ines, receiver)
    project = (await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"))).project
    member = projects_pb2.SetMemberRequest(
        project_id=project.id, user_id=str(tomas.subject), role=projects_pb2.ROLE_VIEWER
    )
    await call(ines, "SetMember", member)
    member.role = projects_pb2.ROLE_MAINTAINER
    await call(ines, "SetMember", member)
    await change(call, ines, project.id, name="Apollo")
    with pytest.raises(RemoteError):
        await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"))
    with pytest.raises(RemoteError):
        await call(tomas, "DeleteProject", projects_pb2.DeleteProjectRequest(id=project.id))
    await run_jobs()
    assert sorted(event["type"] for event in told(receiver)) == ["project.created", "project.member_added"]


async def test_a_repeated_write_is_one_event(
    call: Client, ines: Caller, receiver: Receiver, run_jobs: JobRunner
) -> None:
    await make(call, ines, receiver)
    for _ in range(3):
        await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"), key="k1")
    await run_jobs()
    assert len(receiver.arrived) == 1


async def test_a_webhook_is_made_once_per_key_and_a_repetition_is_shown_the_same_secret(
    call: Client, ines: Caller, database: Logins
) -> None:
    request = pb.CreateWebhookRequest(url="https://hooks.example/in", events=["project.created"])
    first = await call(ines, "CreateWebhook", request, key="k1")
    again = await call.full(ines, "CreateWebhook", request, key="k1")
    assert (again.message, again.replayed) == (first, True)
    assert first.secret.startswith("whsec_")
    rotate = pb.RotateSecretRequest(id=first.webhook.id, overlap=Duration(seconds=60))
    rotated = await call(ines, "RotateSecret", rotate, key="k2")
    assert await call(ines, "RotateSecret", rotate, key="k2") == rotated
    assert rotated.secret != first.secret
    with psycopg.connect(database.admin) as connection:
        replies = b"".join(bytes(row[0]) for row in connection.execute("SELECT reply FROM projects.idempotency_keys"))
    assert b"whsec_" not in replies
    assert first.secret.removeprefix("whsec_").encode() not in replies


async def test_a_webhook_is_read_listed_changed_and_deleted_by_its_owner_alone(
    call: Client, ines: Caller, mara: Caller
) -> None:
    made = (await call(ines, "CreateWebhook", pb.CreateWebhookRequest(url="https://hooks.example/in"))).webhook
    assert (await call(ines, "GetWebhook", pb.GetWebhookRequest(id=made.id))).webhook == made
    known = await call(ines, "GetWebhook", pb.GetWebhookRequest(id=made.id, unless_version=1))
    assert known.unchanged_version == 1
    listed = await call(ines, "ListWebhooks", pb.ListWebhooksRequest())
    assert (list(listed.webhooks), listed.page.total) == ([made], 1)
    assert (await call(mara, "ListWebhooks", pb.ListWebhooksRequest())).page.total == 0
    update = pb.UpdateWebhookRequest(
        webhook=pb.Webhook(id=made.id, enabled=False), update_mask=FieldMask(paths=["enabled"]), expected_version=1
    )
    changed = (await call(ines, "UpdateWebhook", update)).webhook
    assert (changed.enabled, changed.disabled_reason, changed.version) == (False, pb.DISABLED_REASON_OWNER, 2)
    for method, request, reason in (
        ("UpdateWebhook", update, "VERSION_MISMATCH"),
        ("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id, expected_version=1), "VERSION_MISMATCH"),
    ):
        with pytest.raises(RemoteError) as refused:
            await call(ines, method, request)
        assert refused.value.reason == reason
    for method, request in (
        ("GetWebhook", pb.GetWebhookRequest(id=made.id)),
        ("UpdateWebhook", update),
        ("DeleteWebhook", pb.DeleteWebhookRequest(id=made.id)),
        ("RotateSecret", pb.RotateSecretRequest(id=made.id)),
        ("SendTestEvent", pb.SendTestEventRequest(id=made.id)),
        ("ListAttempts", pb.ListAttemptsRequest(webhook_id=made.id)),
        ("ReplayMessage", pb.ReplayMessageRequest(webhook_id=made.id, message_id=made.id)),
    ):
        with pytest.raises(RemoteError) as refused:
            await call(mara, method, request)
        assert refused.value.reason == "NOT_FOUND"
    await call(ines, "DeleteWebhook", pb.DeleteWebhookRequest(id=made.id, expected_version=2))
    with pytest.raises(RemoteError) as gone:
        await call(ines, "GetWebhook", pb.GetWebhookRequest(id=made.id))
    assert gone.value.reason == "NOT_FOUND"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.CreateWebhookRequest(url="http://169.254.169.254/"), "url"),
        (pb.CreateWebhookRequest(url="https://a:b@hooks.example/"), "url"),
        (pb.CreateWebhookRequest(url="https://hooks.example/", events=["project.exploded"]), "events[0]"),
        (pb.CreateWebhookRequest(url="https://hooks.example/", contact="ines"), "contact"),
        (pb.CreateWebhookRequest(url="https://hooks.example/", description="x" * 501), "description"),
    ],
)
async def test_a_field_that_breaks_its_rule_is_named(
    call: Client, ines: Caller, request_: pb.CreateWebhookRequest, field: str
) -> None:
    with pytest.raises(RemoteError) as refused:
        await call(ines, "CreateWebhook", request_)
    assert (refused.value.reason, [v.field for v in refused.value.violations]) == ("INVALID_FIELDS", [field])


@pytest.mark.parametrize("seconds", [-1, 7 * 86_400 + 1, 2**62])
async def test_an_overlap_out_of_bounds_is_refused(call: Client, ines: Caller, seconds: int) -> None:
    made = (await call(ines, "CreateWebhook", pb.CreateWebhookRequest(url="https://hooks.example/in"))).webhook
    with pytest.raises(RemoteError) as refused:
        await call(ines, "RotateSecret", pb.RotateSecretRequest(id=made.id, overlap=Duration(seconds=seconds)))
    assert refused.value.reason == "INVALID_FIELDS"


async def test_a_test_event_is_sent_and_its_attempt_listed_and_replayed(
    call: Client, ines: Caller, receiver: Receiver, run_jobs: JobRunner
) -> None:
    receiver.answers.append(answer(503, "not now"))
    webhook_id = (await make(call, ines, receiver)).webhook.id
    message_id = (await call(ines, "SendTestEvent", pb.SendTestEventRequest(id=webhook_id), key="t")).message_id
    again = await call(ines, "SendTestEvent", pb.SendTestEventRequest(id=webhook_id), key="t")
    assert again.message_id == message_id
    await run_jobs()
    listing = pb.ListAttemptsRequest(webhook_id=webhook_id, message_id=message_id)
    (failed,) = (await call(ines, "ListAttempts", listing)).attempts
    assert (failed.status, failed.error, failed.response_excerpt) == (503, "it answered 503", "not now")
    assert not failed.HasField("next_attempt_at")
    replay = pb.ReplayMessageRequest(webhook_id=webhook_id, message_id=message_id)
    await call(ines, "ReplayMessage", replay, key="r")
    await call(ines, "ReplayMessage", replay, key="r")
    await run_jobs()
    assert [a.status for a in (await call(ines, "ListAttempts", listing)).attempts] == [204, 503]
    assert {a.headers["webhook-id"] for a in receiver.arrived} == {message_id}


async def test_a_failed_delivery_is_made_again_by_the_services_own_jobs(
    call: Client, ines: Caller, receiver: Receiver, run_jobs: JobRunner
) -> None:
    receiver.answers.append(answer(500))
    webhook_id = (await make(call, ines, receiver, "project.created")).webhook.id
    await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"))
    await run_jobs()
    (failed,) = (await call(ines, "ListAttempts", webhooks_pb2.ListAttemptsRequest(webhook_id=webhook_id))).attempts
    assert failed.HasField("next_attempt_at")
    await run_jobs.pass_time(timedelta(minutes=1))
    await run_jobs()
    assert [a.headers["webhook-id"] for a in receiver.arrived] == [failed.message_id] * 2


async def test_the_contact_of_a_webhook_that_is_gone_is_told_by_mail_without_what_is_secret(
    call: Client, ines: Caller, receiver: Receiver, run_jobs: JobRunner, catcher: Catcher
) -> None:
    receiver.answers.append(answer(410))
    request = pb.CreateWebhookRequest(url=f"{receiver.url}?token=s3cret", contact="ines@example.test")
    webhook_id = (await call(ines, "CreateWebhook", request)).webhook.id
    await call(ines, "CreateProject", projects_pb2.CreateProjectRequest(name="Apollo"))
    await run_jobs()
    webhook = (await call(ines, "GetWebhook", pb.GetWebhookRequest(id=webhook_id))).webhook
    assert (webhook.enabled, webhook.disabled_reason) == (False, pb.DISABLED_REASON_GONE)
    [mail] = catcher.store.list(to="ines@example.test")
    assert mail.subject == f"Your webhook to http://127.0.0.1:{receiver.port} was disabled"
    found = catcher.store.get(mail.id)
    assert found is not None
    text = message.text(message.parse(found[1])) or ""
    assert f"/api/v1/webhooks/{webhook_id}/attempts" in text
    assert "410 Gone" in text
    assert b"s3cret" not in found[1]
