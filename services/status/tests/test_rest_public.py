"""What other pages and programs fetch of the status page."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import httpx
import pytest

from chassis.identity import NOBODY, Caller
from chassis.testing.waiting import until

Rest = Callable[[Caller], httpx.AsyncClient]
ROOT = "/api/v1/status"


@pytest.fixture
def anyone(rest: Rest) -> httpx.AsyncClient:
    return rest(NOBODY)


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(ROOT + path, json=body, headers={"Idempotency-Key": f'"{uuid4()}"'})
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_others_embed_passes_over_what_they_add_to_its_address_and_all_else_refuses_it(
    rest: Rest, ines: Caller, anyone: httpx.AsyncClient
) -> None:
    api = await post(rest(ines), "/components", slug="api", name="a\uffffb")
    badge = f"{ROOT}/components/{api['id']}/badge.svg"
    for path in ("/api/v2/summary.json", "/api/v2/incidents.json", f"{ROOT}/feed.atom", f"{ROOT}/badge.svg", badge):
        plain = await anyone.get(path)
        busted = await anyone.get(path, params=[("t", "1764160000"), ("t", "again"), ("page", "x")])
        assert (busted.status_code, busted.content) == (200, plain.content), path
    title = ET.fromstring((await anyone.get(badge)).content)[0].text  # noqa: S314 - it is ours
    assert title == "a\ufffdb: operational"
    for path in (ROOT, f"{ROOT}/components", f"{ROOT}/incidents"):
        assert (await anyone.get(path, params={"t": "1"})).status_code == 422, path


async def test_a_component_shows_how_it_fares_and_its_tag_moves_with_that(
    rest: Rest, ines: Caller, anyone: httpx.AsyncClient
) -> None:
    admin = rest(ines)
    api = await post(admin, "/components", slug="api", name="API")
    path = f"{ROOT}/components/{api['id']}"
    before = await anyone.get(path)
    assert before.json() == (await anyone.get(f"{ROOT}/components")).json()["items"][0]
    assert (before.json()["status"], before.json()["version"]) == ("operational", 1)
    await post(admin, "/events", component_id=api["id"], status="degraded", message="Slow.")
    after = await anyone.get(path, headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, after.json()["status"], after.json()["message"]) == (200, "degraded", "Slow.")
    assert (await anyone.get(path, headers={"If-None-Match": after.headers["etag"]})).status_code == 304
    renamed = await admin.patch(path, json={"name": "Public API"}, headers={"If-Match": before.headers["etag"]})
    assert (renamed.status_code, renamed.json()["version"]) == (200, 2)
    assert (await admin.delete(path, headers={"If-Match": after.headers["etag"]})).status_code == 412


async def test_a_window_tells_how_it_opened_and_closed_under_the_same_ids_each_time(
    rest: Rest, ines: Caller, anyone: httpx.AsyncClient
) -> None:
    async def read() -> dict[str, Any]:
        found: dict[str, Any] = (await anyone.get("/api/v2/scheduled-maintenances.json")).json()
        return found

    admin, now = rest(ines), datetime.now(UTC)
    nothing = (await read())["page"]["updated_at"]
    window = {"starts_at": (now - timedelta(minutes=5)).isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    made = await post(admin, "/maintenances", title="Disks", message="New ones.", **window)
    opened = await read()
    assert opened["page"]["updated_at"] > nothing
    [shown] = opened["scheduled_maintenances"]
    assert [one["status"] for one in shown["incident_updates"]] == ["in_progress", "scheduled"]
    assert shown["incident_updates"][1]["body"] == "New ones."
    headers = {"If-Match": f'"{made["version"]}"'}
    ends_at = (datetime.now(UTC) + timedelta(milliseconds=300)).isoformat()
    moved = await admin.patch(f"{ROOT}/maintenances/{made['id']}", json={"ends_at": ends_at}, headers=headers)
    assert moved.status_code == 200, moved.text

    async def closed() -> bool:
        return bool((await read())["scheduled_maintenances"][0]["status"] == "completed")

    await until(closed, 60)
    after = await read()
    [shown_after] = after["scheduled_maintenances"]
    assert after["page"]["updated_at"] > opened["page"]["updated_at"]
    assert [one["status"] for one in shown_after["incident_updates"]] == ["completed", "in_progress", "scheduled"]
    assert shown_after["incident_updates"][1:] == shown["incident_updates"]
