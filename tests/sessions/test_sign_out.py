"""Signing out: by the refresh token in the body or the cookie, or by the access token alone."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth.testing import PASSWORD, People
from chassis.testing.waiting import until
from gateway.browser import COOKIE
from gateway.testing.edge import Edge

from .conftest import bearer, signed_in
from .installation import wait_for
from .test_rest import AUTH, OWN_PAGE, problem

PERSON = "ines@example.test"


@pytest.mark.parametrize("wish", [{"json": {}}, {}], ids=["an empty object", "no body"])
async def test_an_access_token_alone_ends_its_session_at_every_gateway_and_no_other(
    client: httpx.AsyncClient, start_edge: Callable[[], Edge], persons: People, wish: dict[str, Any]
) -> None:
    other = await asyncio.to_thread(start_edge)
    await wait_for(other.url)
    await persons.registered(PERSON)
    ended, alive = await signed_in(client, PERSON), await signed_in(client, PERSON)
    out = await client.post(f"{AUTH}/logout", headers=bearer(ended), **wish)
    assert (out.status_code, out.headers.get("set-cookie")) == (204, None), out.text

    for url in ("", other.url):

        async def is_refused(url: str = url) -> bool:
            return (await client.get(f"{url}{AUTH}/me", headers=bearer(ended))).status_code == 401

        await until(is_refused, longest_s=60)
    gone = await client.post(f"{AUTH}/refresh", json={"refresh_token": ended["refresh_token"]})
    problem(gone, 401, "invalid-refresh-token")
    problem(await client.post(f"{AUTH}/logout", headers=bearer(ended), **wish), 401, "unauthenticated")
    sessions = (await client.get(f"{AUTH}/sessions", headers=bearer(alive))).json()["items"]
    assert [session["id"] for session in sessions] == [alive["session_id"]]
    trail = (await client.get(f"{AUTH}/audit", headers=bearer(alive))).json()["items"]
    assert (trail[0]["kind"], trail[0]["session_id"]) == ("session.signed_out", ended["session_id"])


async def test_a_refresh_token_ends_its_own_session_whatever_access_token_comes_with_it(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    first, second = await signed_in(client, PERSON), await signed_in(client, PERSON)
    wish = {"refresh_token": second["refresh_token"]}
    assert (await client.post(f"{AUTH}/logout", json=wish, headers=bearer(first))).status_code == 204
    sessions = (await client.get(f"{AUTH}/sessions", headers=bearer(first))).json()["items"]
    assert [session["id"] for session in sessions] == [first["session_id"]]


async def test_a_personal_access_token_signs_nobody_out(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    wish = {"name": "Deploys", "scope": "write"}
    made = await client.post(f"{AUTH}/access-tokens", json=wish, headers={**bearer(tokens), "Idempotency-Key": '"k1"'})
    as_program = {"Authorization": f"Bearer {made.json()['token']}"}
    problem(await client.post(f"{AUTH}/logout", json={}, headers=as_program), 403, "forbidden")
    assert (await client.get(f"{AUTH}/me", headers=bearer(tokens))).status_code == 200


async def test_a_browser_refreshes_and_signs_out_without_a_body(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered(PERSON)
    wish = {"username": PERSON, "password": PASSWORD, "transport": "cookie"}
    begun = await client.post(f"{AUTH}/token", json=wish, headers=OWN_PAGE)
    token = begun.headers["set-cookie"].partition("=")[2].partition(";")[0]
    headers = {"Cookie": f"{COOKIE}={token}", **OWN_PAGE}
    refreshed = await client.post(f"{AUTH}/refresh", headers=headers)
    assert refreshed.status_code == 200, refreshed.text
    out = await client.post(f"{AUTH}/logout", headers=headers)
    assert out.status_code == 204
    assert "Max-Age=0" in out.headers["set-cookie"]
    problem(await client.post(f"{AUTH}/logout", headers={"Cookie": f"{COOKIE}={token}"}), 403, "cross-site")


async def test_who_holds_nothing_is_signed_out_already(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{AUTH}/logout")).status_code == 204
    problem(await client.post(f"{AUTH}/refresh"), 401, "invalid-refresh-token")
