"""The status page as clients meet it: through the gateway, in front of the real service."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import feedparser
import httpx
import psycopg
import pytest
import pytest_asyncio
import redis

from chassis.embedded.certificates import Authority
from chassis.embedded.redis import Redis
from chassis.identity import NOBODY, Caller
from chassis.service import RunningService, Service
from chassis.testing.plugin import Logins
from chassis.testing.waiting import until
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer
from status.mails import links_of
from status.settings import Settings

Rest = Callable[[Caller], httpx.AsyncClient]
ROOT = "/api/v1/status"


@pytest.fixture
def anyone(rest: Rest) -> httpx.AsyncClient:
    return rest(NOBODY)


@pytest.fixture
def admin(rest: Rest, ines: Caller) -> httpx.AsyncClient:
    return rest(ines)


async def post(client: httpx.AsyncClient, path: str, body: Mapping[str, Any], **headers: str) -> httpx.Response:
    """Send a write whose key follows from what it says: the same again is a repetition."""
    key = hashlib.sha256(f"{path} {sorted(body.items())}".encode()).hexdigest()
    return await client.post(ROOT + path, json=dict(body), headers={"Idempotency-Key": f'"{key}"', **headers})


async def component(client: httpx.AsyncClient, slug: str = "api") -> dict[str, Any]:
    made = await post(client, "/components", {"slug": slug, "name": slug.title()})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def test_anyone_reads_what_staff_write(admin: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    api = await component(admin)
    said = await post(admin, "/events", {"component_id": api["id"], "status": "degraded", "message": "Slow."})
    assert said.status_code == 201
    assert (await anyone.get(said.headers["location"])).json() == said.json()
    page = (await anyone.get(ROOT)).json()
    assert (page["indicator"], page["description"]) == ("minor", "Partially Degraded Service")
    assert (page["stale"], page["as_of"]) == (False, None)
    [shown] = page["components"]
    assert (shown["slug"], shown["status"], shown["message"]) == ("api", "degraded", "Slow.")
    listed = (await anyone.get(f"{ROOT}/events", params={"component": api["id"], "status": "degraded"})).json()
    assert [event["id"] for event in listed["items"]] == [said.json()["id"]]
    refused = await post(anyone, "/events", {"component_id": api["id"], "status": "degraded"})
    assert refused.status_code == 401


@pytest.mark.cross("412 × 428 × 409")
async def test_an_incident_is_opened_told_of_and_guarded_by_its_tag(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    made = await post(admin, "/incidents", {"title": "Slow", "body": "We look.", "impact": "major"})
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    path = made.headers["location"]
    assert (await anyone.get(path)).json() == made.json()
    assert (await anyone.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    told = await post(admin, f"{path.removeprefix(ROOT)}/updates", {"body": "Mended.", "status": "monitoring"})
    assert (told.status_code, told.json()["status"], told.headers["etag"]) == (200, "monitoring", '"2"')
    patch = {"title": "Slower"}
    assert (await admin.patch(path, json=patch)).status_code == 428
    assert (await admin.patch(path, json=patch, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.patch(path, json=patch, headers={"If-Match": '"2"'})).headers["etag"] == '"3"'
    resolved = await post(admin, f"{path.removeprefix(ROOT)}/updates", {"body": "Over.", "status": "resolved"})
    assert resolved.status_code == 200
    again = {"body": "Again?", "status": "investigating"}
    for headers, expected in (({}, (409, "illegal-move")), ({"If-Match": '"2"'}, (412, "version-mismatch"))):
        refused = await post(admin, f"{path.removeprefix(ROOT)}/updates", again, **headers)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == expected


async def test_a_feed_reader_reads_the_incidents(admin: httpx.AsyncClient, anyone: httpx.AsyncClient) -> None:
    for title in ("First <b>&", "Second 🚀"):
        await post(admin, "/incidents", {"title": title, "body": "<script>alert(1)</script>\nWe look."})
    answer = await anyone.get(f"{ROOT}/feed.atom")
    assert answer.headers["content-type"] == "application/atom+xml"
    found = feedparser.parse(answer.content)
    assert (found.bozo, found.version) == (False, "atom10")
    assert [entry.title for entry in found.entries] == ["Second 🚀 [investigating]", "First <b>& [investigating]"]
    assert "alert(1)" in found.entries[0].content[0].value
    assert "<script>" not in found.entries[0].content[0].value
    assert all(entry.id.startswith("urn:uuid:") and entry.updated_parsed for entry in found.entries)


async def test_a_badge_is_an_image_with_a_title_and_without_a_script(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    made = await post(admin, "/components", {"slug": "api", "name": '<script>"&'})
    await post(admin, "/events", {"component_id": made.json()["id"], "status": "major_outage"})
    for path in (f"/components/{made.json()['id']}/badge.svg", "/badge.svg"):
        answer = await anyone.get(ROOT + path)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert answer.headers["cache-control"].startswith("public, max-age=")
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        root = ET.fromstring(answer.content)  # noqa: S314 - it is ours
        assert root.find("{*}title") is not None
        assert not root.findall(".//{*}script")
        assert (await anyone.get(ROOT + path, headers={"If-None-Match": answer.headers["etag"]})).status_code == 304
    title = ET.fromstring((await anyone.get(f"{ROOT}/components/{made.json()['id']}/badge.svg")).content)[0].text  # noqa: S314 - it is ours
    assert title == '<script>"&: major outage'
    missing = await anyone.get(f"{ROOT}/components/018f0000-0000-7000-8000-00000000dead/badge.svg")
    assert missing.status_code == 404


async def test_uptime_has_ninety_days_and_those_before_the_component_are_no_data(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    api = await component(admin)
    one = (await anyone.get(f"{ROOT}/components/{api['id']}/uptime")).json()
    assert (len(one["days"]), one["uptime"]) == (90, 1.0)
    assert {day["uptime"] for day in one["days"][:-2]} == {None}
    assert all(abs(sum(day["seconds"].values()) - 86_400) < 0.001 for day in one["days"])
    every = (await anyone.get(f"{ROOT}/uptime", params={"days": 7})).json()
    assert [len(found["days"]) for found in every["components"]] == [7]
    assert (await anyone.get(f"{ROOT}/uptime", params={"days": 91})).status_code == 422


async def test_an_anonymous_reader_pages_through_everything(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    for i in range(5):
        await component(admin, f"c{i}")
    seen, address = [], f"{ROOT}/components?page_size=2"
    while address:
        answer = await anyone.get(address)
        seen += [item["slug"] for item in answer.json()["items"]]
        address = answer.links.get("next", {}).get("url", "")
    assert seen == ["c4", "c3", "c2", "c1", "c0"]


async def test_a_component_is_changed_and_removed_under_its_tag(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient, rest: Rest, mara: Caller
) -> None:
    group = (await post(admin, "/groups", {"name": "Core"})).json()
    api = await component(admin)
    path = f"{ROOT}/components/{api['id']}"
    assert (await admin.patch(path, json={"name": "API"})).status_code == 428
    assert (await anyone.patch(path, json={"name": "API"})).status_code == 401
    assert (await rest(mara).patch(path, json={"name": "API"})).status_code == 403
    assert (await admin.patch(f"{path[:-4]}dead", json={"name": "API"})).status_code == 404
    changed = await admin.patch(path, json={"group_id": group["id"]}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["group_id"]) == (200, group["id"])
    assert (await anyone.get(path)).headers["etag"].startswith('"2.')
    assert (await admin.delete(f"{ROOT}/groups/{group['id']}", headers={"If-Match": '"1"'})).status_code == 204
    assert (await anyone.get(path)).json()["group_id"] is None
    assert (await admin.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await admin.delete(path, headers={"If-Match": '"2"'})).status_code == 204
    assert (await anyone.get(path)).status_code == 404


@pytest_asyncio.fixture
async def restart(
    running: RunningService[Settings], service: Service[Settings], settings: Settings
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Starts the service again on the port that it had."""
    servers: list[RunningService[Settings]] = []
    port = running.port

    async def start() -> None:
        server = RunningService(service, settings.model_copy(update={"listen": f"127.0.0.1:{port}"}))
        await server.start()
        servers.append(server)

    yield start
    for server in servers:
        await server.stop(grace_s=1)


NOW = {"Cache-Control": "no-cache"}
"""Of whoever wants no answer that is kept, though it is fresh."""

PUBLIC = (
    ROOT,
    f"{ROOT}/components",
    f"{ROOT}/incidents",
    f"{ROOT}/uptime",
    f"{ROOT}/feed.atom",
    f"{ROOT}/badge.svg",
    "/api/v2/summary.json",
    "/api/v2/incidents.json",
)


async def test_public_answers_outlive_the_service_and_the_first_write_after_is_seen_at_once(
    admin: httpx.AsyncClient,
    anyone: httpx.AsyncClient,
    running: RunningService[Settings],
    restart: Callable[[], Awaitable[None]],
) -> None:
    api = await component(admin)
    await post(admin, "/incidents", {"title": "Slow", "body": "We look."})
    good = {path: await anyone.get(path) for path in PUBLIC}
    assert all(answer.status_code == 200 and "age" not in answer.headers for answer in good.values())
    await running.stop(grace_s=0)
    stale = dict(zip(PUBLIC, await asyncio.gather(*(anyone.get(path, headers=NOW) for path in PUBLIC)), strict=True))
    for path, answer in stale.items():
        assert answer.status_code == 200, path
        assert int(answer.headers["age"]) >= 0
        assert answer.headers["warning"] == '110 - "Response is Stale"'
        assert answer.headers["content-type"] == good[path].headers["content-type"]
    page = stale[ROOT].json()
    assert page["stale"] is True
    assert page["as_of"] is not None
    assert page | {"stale": False, "as_of": None} == good[ROOT].json()
    assert stale["/api/v2/summary.json"].json() == good["/api/v2/summary.json"].json()
    again = await anyone.get(ROOT, headers={"If-None-Match": stale[ROOT].headers["etag"], **NOW})
    assert (again.status_code, "age" in again.headers) == (304, True)
    # What was never good, what is one's own, and writes: 503 as ever.
    assert (await anyone.get(f"{ROOT}/components?page_size=7")).status_code == 503
    assert (await admin.get(ROOT)).status_code == 503

    await restart()
    said = {"component_id": api["id"], "status": "major_outage"}

    async def written() -> bool:
        return (await post(admin, "/events", said)).status_code in {200, 201}

    await until(written)
    fresh = await anyone.get(ROOT)
    assert (fresh.json()["stale"], fresh.json()["components"][0]["status"]) == (False, "major_outage")
    assert "age" not in fresh.headers


async def test_public_answers_outlive_the_database(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient, database: Logins
) -> None:
    await component(admin)
    good = await anyone.get(ROOT)

    def doors(state: str) -> None:
        with psycopg.connect(database.admin.replace(f"/{database.database}", "/postgres"), autocommit=True) as server:
            server.execute(f"ALTER DATABASE {database.database} ALLOW_CONNECTIONS {state}".encode())
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database.database]
            )

    await asyncio.to_thread(doors, "false")
    stale = await anyone.get(ROOT, headers=NOW)
    assert (stale.status_code, stale.json()["stale"]) == (200, True)
    assert stale.json()["components"] == good.json()["components"]
    await asyncio.to_thread(doors, "true")

    async def written() -> bool:
        return (await post(admin, "/components", {"slug": "web", "name": "Web"})).status_code in {200, 201}

    await until(written)
    fresh = (await anyone.get(ROOT)).json()
    assert (fresh["stale"], {one["slug"] for one in fresh["components"]}) == (False, {"api", "web"})


async def test_ready_tells_of_the_status_service_beside_the_whole(
    anyone: httpx.AsyncClient, running: RunningService[Settings]
) -> None:
    async def told(page: str) -> bool:
        said = (await anyone.get("/ready")).json()
        assert said["status"] in {"ready", "not ready"}
        return bool(said["status-page"] == page)

    await until(lambda: told("ok"))
    await running.stop(grace_s=0)
    await until(lambda: told("down"))


async def test_a_gateway_that_was_started_during_the_outage_has_the_last_good_answers(
    admin: httpx.AsyncClient,
    anyone: httpx.AsyncClient,
    running: RunningService[Settings],
    redis_server: Redis,
    authority: Authority,
) -> None:
    await component(admin)
    good = (await anyone.get(ROOT)).json()

    def kept() -> bool:
        with redis.Redis.from_url(redis_server.url) as client:
            return bool(client.exists(f"neoforge:lastgood:{ROOT}"))

    await until(kept)
    await running.stop(grace_s=0)
    issuer, identity = StandInIssuer(), authority.issue("gateway")
    edge = Edge(
        redis_server.url,
        issuer,
        status_target=f"127.0.0.1:{running.port}",
        tls_ca=identity.authority,
        tls_certificate=identity.certificate,
        tls_key=identity.key,
    )
    await asyncio.to_thread(edge.start)
    async with httpx.AsyncClient(base_url=edge.url, timeout=10) as client:
        stale = await client.get(ROOT)
    await asyncio.to_thread(edge.stop)
    issuer.stop()
    assert (stale.status_code, "age" in stale.headers, stale.json()["stale"]) == (200, True, True)
    assert stale.json()["components"] == good["components"]


async def test_a_link_changes_nothing_when_it_is_opened_and_one_click_unsubscribes(
    admin: httpx.AsyncClient, anyone: httpx.AsyncClient, settings: Settings
) -> None:
    asked = await anyone.post(f"{ROOT}/subscriptions", json={"email": "mara@example.test"})
    again = await anyone.post(f"{ROOT}/subscriptions", json={"email": "mara@example.test", "language": "de"})
    assert (asked.status_code, again.status_code, again.json()) == (202, 202, asked.json())
    [subscriber] = (await admin.get(f"{ROOT}/subscribers")).json()["items"]
    assert (subscriber["email"], subscriber["confirmed_at"]) == ("mara@example.test", None)
    link = f"{ROOT}/subscriptions/{links_of(settings).token(UUID(subscriber['id']).bytes)}"

    shown = await anyone.get(link)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert shown.headers["cache-control"] == "private, no-cache"
    assert f'action="{link}/confirm"' in shown.text
    assert (await admin.get(f"{ROOT}/subscribers")).json()["items"] == [subscriber]
    confirmed = await anyone.post(f"{link}/confirm", headers={"Accept": "text/html"})
    assert (confirmed.status_code, "Confirmed" in confirmed.text) == (200, True)
    assert (await admin.get(f"{ROOT}/subscribers")).json()["items"][0]["confirmed_at"] is not None
    for _ in range(2):
        gone = await anyone.post(link, data={"List-Unsubscribe": "One-Click"})
        assert (gone.status_code, gone.json()["message"]) == (200, "The address is forgotten, and gets nothing more.")
    assert (await admin.get(f"{ROOT}/subscribers")).json()["items"] == []
    assert (await anyone.get(link)).status_code == 404
    assert (await anyone.get(f"{ROOT}/subscriptions/invented")).status_code == 404
    assert (await anyone.post(f"{ROOT}/subscriptions", json={"email": "no address"})).status_code == 422
