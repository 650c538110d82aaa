"""The status page of the whole stack: it watches itself, and stands while what is behind it falls."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.testing.waiting import wait_for
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

ROOT = "/api/v1/status"
WAIT_S = 60.0


def until(condition: Callable[[], Any]) -> Any:
    return wait_for(condition, WAIT_S, every_s=1)  # an address has 120 anonymous requests a minute


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def event(client: httpx.Client, component_id: str, status: str, message: str) -> httpx.Response:
    body = {"component_id": component_id, "status": status, "message": message}
    return client.post(f"{ROOT}/events", json=body, headers=key())


def family(pid: int) -> list[int]:
    """A process and its children."""
    children = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if (folder / "stat").exists() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid
    ]
    return [pid, *children]


def signal_all(pids: list[int], sign: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, sign)


def component(client: httpx.Client, slug: str) -> dict[str, Any] | None:
    listed = client.get(ROOT).json()["components"]
    return next((one for one in listed if one["slug"] == slug), None)


def test_the_stack_watches_itself(stack: Stack) -> None:
    with stack.client(None) as anyone:
        until(lambda: component(anyone, "gateway"))
        slugs = {one["slug"] for one in anyone.get(ROOT).json()["components"]}
        assert {"gateway", "projects", "status", "database", "queue", "mail"} <= slugs
        assert component(anyone, "projects")["status"] == "operational"  # type: ignore[index] # it is there


def test_the_page_stands_while_service_and_database_are_killed_and_shows_the_first_write_after(stack: Stack) -> None:
    with stack.client("ines") as ines, stack.client(None) as anyone:
        api = ines.post(f"{ROOT}/components", json={"slug": f"c{uuid4().hex[:8]}", "name": "C"}, headers=key()).json()
        assert component(anyone, api["slug"]) is not None
        for paths in ((ROOT,), ("/api/v2/summary.json",)):
            assert all(anyone.get(path).status_code == 200 for path in paths)

        for number, words in enumerate((("status", "serve"), ("postgres",))):
            falling = family(stack.pid_of(*words))
            signal_all(falling, signal.SIGSTOP)  # away for as long as this test looks, and then dead
            stale = anyone.get(ROOT, headers={"Cache-Control": "no-cache"})
            assert (stale.status_code, stale.json()["stale"], "age" in stale.headers) == (200, True, True)
            summary = anyone.get("/api/v2/summary.json")
            assert (summary.status_code, summary.json()["page"]["name"]) == (200, "NeoForge")
            signal_all(falling, signal.SIGKILL)
            message = f"After {number}"
            until(lambda message=message: event(ines, api["id"], "degraded", message).status_code == 201)
            fresh = anyone.get(ROOT)
            assert (fresh.json()["stale"], "age" in fresh.headers) == (False, False)
            [shown] = [one for one in fresh.json()["components"] if one["id"] == api["id"]]
            assert shown["message"] == message
