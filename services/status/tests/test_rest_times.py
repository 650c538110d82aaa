"""Times in requests, at the ends of what there is."""

from collections.abc import Callable
from uuid import uuid4

import httpx

from chassis.identity import Caller

Rest = Callable[[Caller], httpx.AsyncClient]
MAINTENANCES = "/api/v1/status/maintenances"
WINDOW = {"title": "New disks", "starts_at": "2027-01-01T00:00:00Z", "ends_at": "2027-01-02T00:00:00Z"}


async def plan(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await client.post(MAINTENANCES, json=WINDOW | changes, headers={"Idempotency-Key": f'"{uuid4()}"'})


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
