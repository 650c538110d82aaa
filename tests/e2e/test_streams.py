"""Streams of events over the whole way: Envoy, gateway, services, sessions."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from devstack.folders import Folders
from devstack.signin import demo_login, new_session
from devstack.testing import Stack
from gateway.testing.listener import Listener
from gateway.testing.watching import bodies

pytestmark = pytest.mark.xdist_group("stack")

TICKETS = "/api/v1/support/tickets"


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def session(stack: Stack, person: str) -> httpx.Client:
    tokens: dict[str, Any] = new_session(stack.url, demo_login(Folders(stack.data), person))
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.Client(base_url=stack.url, headers=headers, timeout=60)


def test_a_ticket_is_followed_until_the_session_is_signed_out(stack: Stack) -> None:
    with session(stack, "mara") as here, session(stack, "mara") as there, stack.client("tomas") as agent:
        opened = here.post(TICKETS, json={"subject": "It is broken", "body": "Help"}, headers=key()).json()
        ticket = f"{TICKETS}/{opened['id']}"
        with Listener(here, f"{ticket}/stream") as one, Listener(there, f"{ticket}/stream") as other:
            for listener in (one, other):
                listener.until(lambda it: it.events, "the ticket")
            note = {"body": "careful", "internal": True}
            assert agent.post(f"{ticket}/messages", json=note, headers=key()).status_code == 201
            assert agent.post(f"{ticket}/messages", json={"body": "Try again"}, headers=key()).status_code == 201
            for listener in (one, other):
                listener.until(bodies, "the reply")
                assert bodies(listener) == ["Try again"]
            assert here.post("/api/v1/auth/logout", json={}).status_code == 204
            one.until(lambda it: it.ended, "the end of the stream")
            assert not one.broken
            agent.post(f"{ticket}/messages", json={"body": "And now?"}, headers=key())
            other.until(lambda it: len(bodies(it)) == 2, "the next reply")
        assert bodies(one) == ["Try again"]


def test_anyone_sees_the_status_page_change(stack: Stack) -> None:
    with stack.client(None) as anyone, stack.client("tomas") as agent:
        with Listener(anyone, "/api/v1/status/stream") as listener:
            listener.until(lambda it: it.events, "the page")
            title = f"Slow answers {uuid4()}"
            wish = {"title": title, "impact": "none", "status": "investigating", "body": "We look.", "components": []}
            incident = agent.post("/api/v1/status/incidents", json=wish, headers=key())
            assert incident.status_code == 201
            listener.until(lambda it: title in str(it.events[-1].data), "the incident")
        resolved = {"status": "resolved", "body": "Done.", "components": []}
        path = f"/api/v1/status/incidents/{incident.json()['id']}/updates"
        done = agent.post(path, json=resolved, headers=key() | {"If-Match": incident.headers["ETag"]})
        assert done.is_success
