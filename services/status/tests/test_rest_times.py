"""Times in requests, at the ends of what there is."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import httpx

from chassis.identity import NOBODY, Caller

Rest = Callable[[Caller], httpx.AsyncClient]
MAINTENANCES = "/api/v1/status/maintenances"
WINDOW = {"title": "New disks", "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-01-02T00:00:00Z"}


async def post(client: httpx.AsyncClient, window: Mapping[str, Any]) -> httpx.Response:
    return await client.post(MAINTENANCES, json=dict(window), headers={"Idempotency-Key": f'"{uuid4()}"'})


async def plan(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await post(client, WINDOW | changes)


IMPOSSIBLE = (
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2027-01-01T00:00:00",
    "10000-01-01T00:00:00Z",
    "2027-02-30T00:00:00Z",
)


async def test_a_time_that_cannot_be_is_refused_by_name_wherever_it_stands(rest: Rest, ines: Caller) -> None:
    client = rest(ines)
    made = await plan(client)
    headers = {"Content-Type": "application/merge-patch+json", "If-Match": made.headers["etag"]}
    for field in ("starts_at", "ends_at"):
        for moment in IMPOSSIBLE:
            refused = await plan(client, **{field: moment})
            assert refused.status_code == 422, (moment, refused.text)
            assert refused.json()["errors"][0]["pointer"] == f"/{field}", (moment, refused.text)
            refused = await client.patch(made.headers["location"], json={field: moment}, headers=headers)
            assert refused.status_code == 422, (moment, refused.text)
            assert refused.json()["errors"][0]["pointer"] == f"/{field}", (moment, refused.text)


async def test_an_offset_is_read_as_the_moment_that_it_means(rest: Rest, ines: Caller) -> None:
    made = await plan(rest(ines), starts_at="2027-01-01T01:30:00+05:30")
    assert made.json()["starts_at"] == "2026-12-31T20:00:00.000000Z"


async def test_maintenance_that_ends_before_it_starts_is_refused_and_what_has_begun_is_in_progress(
    rest: Rest, ines: Caller
) -> None:
    admin, anyone = rest(ines), rest(NOBODY)
    refused = await post(
        admin,
        {"title": "Disks", "starts_at": "2026-11-28T03:00:00Z", "ends_at": "2026-11-28T02:00:00Z"},
    )
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/ends_at", "detail": "must be after starts_at"}]
    for broken in ({"starts_at": 5}, {"starts_at": "2026-11-28T03:00:00"}, {"starts_at": None}):
        body = {"title": "Disks", "ends_at": "2026-11-28T02:00:00Z", **broken}
        assert (await post(admin, body)).status_code == 422
    window = {"title": "Disks", "starts_at": "2020-01-01T00:00:00+02:00", "ends_at": "2020-01-02T00:00:00Z"}
    made = await post(admin, window)
    assert (made.status_code, made.json()["status"]) == (201, "completed")
    assert made.json()["starts_at"] == "2019-12-31T22:00:00.000000Z"
    moved = await admin.patch(
        made.headers["location"],
        json={"message": "New ones.", "component_ids": []},
        headers={"If-Match": made.headers["etag"]},
    )
    assert (moved.status_code, moved.json()["message"]) == (200, "New ones.")
    assert (await anyone.get(made.headers["location"])).json() == moved.json()
