"""The page in the shape of Atlassian Statuspage's public API, read by a program that was written for that."""

import asyncio
import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.identity import NOBODY, Caller

Rest = Callable[[Caller], httpx.AsyncClient]
Read = Callable[[httpx.AsyncClient], Any]
ROOT = "/api/v1/status"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """The reader of statuspage-prometheus-exporter: give it a page's address, and it tells what it makes of it."""
    (tmp_path / "services.json").write_text("{}")
    monkeypatch.setenv("SERVICES_JSON_PATH", str(tmp_path / "services.json"))
    monkeypatch.chdir(tmp_path)  # it keeps what it read in the folder that it runs in
    checker = importlib.import_module("statuspage_prometheus_exporter.service_checker")

    async def read(client: httpx.AsyncClient) -> Any:
        url = str(client.base_url).rstrip("/") + "/api/v2/summary.json"
        return await asyncio.to_thread(checker.check_status_page_service, "neoforge", {"url": url})

    return read


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(ROOT + path, json=body, headers={"Idempotency-Key": f'"{uuid4()}"'})
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_exporter_of_status_pages_reads_this_one(rest: Rest, ines: Caller, exporter: Read) -> None:
    admin, anyone = rest(ines), rest(NOBODY)
    group = await post(admin, "/groups", name="Core")
    api = await post(admin, "/components", slug="api", name="API", group_id=group["id"])
    read = await exporter(anyone)
    assert (read["success"], read["status"], read["raw_status"]) == (True, 1, "none")
    assert {one["name"]: one["status"] for one in read["component_metadata"]} == {
        "Core": "operational",
        "API": "operational",
    }

    affected = [{"component_id": api["id"], "status": "partial_outage"}]
    await post(admin, "/incidents", title="Slow answers", body="We look.", impact="major", components=affected)
    read = await exporter(anyone)
    assert (read["status"], read["raw_status"]) == (0, "major")
    [incident] = read["incident_metadata"]
    assert (incident["name"], incident["impact"], incident["affected_components"]) == ("Slow answers", "major", ["API"])
    assert {one["status"] for one in read["component_metadata"]} == {"partial_outage"}


async def test_maintenance_whose_start_is_past_is_in_progress_and_no_incident(
    rest: Rest, ines: Caller, exporter: Read
) -> None:
    admin, anyone, now = rest(ines), rest(NOBODY), datetime.now(UTC)
    window = {"starts_at": (now - timedelta(minutes=1)).isoformat(), "ends_at": (now + timedelta(hours=1)).isoformat()}
    made = await post(admin, "/maintenances", title="New disks", **window)
    summary = (await anyone.get("/api/v2/summary.json")).json()
    assert [one["status"] for one in summary["scheduled_maintenances"]] == ["in_progress"]
    assert summary["incidents"] == []
    assert summary["status"] == {"indicator": "maintenance", "description": "Service Under Maintenance"}
    assert (await anyone.get("/api/v2/incidents.json")).json()["incidents"] == []
    active = (await anyone.get("/api/v2/scheduled-maintenances/active.json")).json()
    assert [one["id"] for one in active["scheduled_maintenances"]] == [made["id"]]
    upcoming = (await anyone.get("/api/v2/scheduled-maintenances/upcoming.json")).json()
    assert upcoming["scheduled_maintenances"] == []
    [told] = (await exporter(anyone))["maintenance_metadata"]
    assert (told["name"], told["status"]) == ("New disks", "in_progress")


async def test_every_document_has_the_members_that_readers_look_for(rest: Rest, ines: Caller) -> None:
    admin, anyone = rest(ines), rest(NOBODY)
    api = await post(admin, "/components", slug="api", name="API")
    affected = [{"component_id": api["id"], "status": "partial_outage"}]
    opened = await post(admin, "/incidents", title="Slow", body="We look.", components=affected)
    await post(admin, f"/incidents/{opened['id']}/updates", body="Over.", status="resolved")
    documents = {}
    for name in ("summary", "status", "components", "incidents", "incidents/unresolved", "scheduled-maintenances"):
        answer = await anyone.get(f"/api/v2/{name}.json")
        assert answer.headers["access-control-allow-origin"] == "*"
        documents[name] = answer.json()
        assert documents[name]["page"].keys() == {"id", "name", "url", "time_zone", "updated_at"}
    summary = documents["summary"]
    assert summary.keys() == {"page", "components", "incidents", "scheduled_maintenances", "status"}
    assert documents["status"].keys() == {"page", "status"}
    [component] = documents["components"]["components"]
    assert {"id", "name", "status", "created_at", "updated_at", "position", "group_id", "group"} <= component.keys()
    assert (summary["incidents"], documents["incidents/unresolved"]["incidents"]) == ([], [])
    [incident] = documents["incidents"]["incidents"]
    assert (incident["status"], incident["impact"], incident["started_at"]) == (
        "resolved",
        "minor",
        incident["created_at"],
    )
    assert incident["resolved_at"] is not None
    assert [update["body"] for update in incident["incident_updates"]] == ["Over.", "We look."]
    assert [update["affected_components"] for update in incident["incident_updates"]] == [
        None,
        [{"code": api["id"], "name": "API", "old_status": "operational", "new_status": "partial_outage"}],
    ]
