"""A person becomes a member by a mail: through Envoy, gateway, service, outbox, worker and SMTP."""

import re
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from chassis.testing.otlp import OtlpReceiver
from chassis.testing.waiting import until
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

CLIENT = 3
"""SpanKind of OTLP."""


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


async def test_an_invited_person_gets_one_mail_and_becomes_a_member_by_its_link(
    stack: Stack, otlp: OtlpReceiver
) -> None:
    run, trace_id = uuid4().hex[:8], uuid4().hex
    page = f"http://127.0.0.1:{urlsplit(stack.url).port + 6}"  # type: ignore[operator] # the stack's URL has a port
    with stack.client("tomas") as owner, stack.client("mara") as invited, httpx.Client(base_url=page) as mailbox:
        project = owner.post("/api/v1/projects", json={"name": f"Mond 🚀 {run}"}, headers=key()).json()
        asked = {"email": f"ahmad+{run}@example.test", "role": "maintainer", "name": "أحمد", "language": "de-AT"}
        repeated = key()
        path = f"/api/v1/projects/{project['id']}/invitations"
        traced = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
        answers = [owner.post(path, json=asked, headers={**repeated, **traced}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 200, 200]

        def mails() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = mailbox.get("/api/mails", params={"to": asked["email"]}).json()["mails"]
            return found

        def contents(mail_id: int) -> dict[str, Any]:
            found: dict[str, Any] = mailbox.get(f"/api/mails/{mail_id}").json()
            return found

        await until(mails)
        [mail] = mails()
        assert (mail["subject"], mail["deliveries"]) == (f"Einladung zum Projekt Mond 🚀 {run}", 1)
        read = contents(mail["id"])
        assert read["text"].startswith("Hallo \u2068أحمد\u2069,")
        link = re.search(r"http://\S+/api/v1/invitations/\S+", read["text"])
        assert link is not None
        assert link[0] in read["html"]

        assert [invited.get(link[0]).json()["project_name"] for _ in range(3)] == [f"Mond 🚀 {run}"] * 3
        accepted = invited.post(f"{link[0]}/accept", headers=key())
        assert (accepted.status_code, accepted.json()["role"]) == (200, "maintainer")
        assert invited.get(f"/api/v1/projects/{project['id']}").json()["name"] == f"Mond 🚀 {run}"
        assert owner.get(path).json()["items"] == []
        assert mails() == [mail]

    def sent(spans: Any) -> bool:
        return any(span.attributes.get("messaging.system") == "smtp" and span.kind == CLIENT for span in spans)

    spans = otlp.wait_for(sent, trace_id)
    assert not any(run in str(span.attributes) for span in spans if span.name.startswith(("send ", "process ")))
    for part in ("projects", "projects-worker", "gateway"):
        assert asked["email"] not in stack.logs(part)
        assert link[0].rpartition("/")[2] not in stack.logs(part)
