"""Accounts and sessions as clients meet them: over HTTP, through the gateway."""

import asyncio
from typing import Any

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from auth.testing import PASSWORD, People
from chassis.testing.jobs import JobRunner
from chassis.testing.waiting import until
from gateway.browser import COOKIE
from gateway.testing.edge import Edge

from .conftest import ORIGIN, bearer, signed_in

AUTH = "/api/v1/auth"
OWN_PAGE = {"Origin": ORIGIN, "X-NeoForge-CSRF": "1"}
ANOTHER = "another horse battery staple"


def problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    members: dict[str, Any] = answer.json()
    assert members["type"].endswith(f"/problems/{name}")
    return members


async def test_somebody_registers_proves_their_address_and_signs_in(client: httpx.AsyncClient, persons: People) -> None:
    wish = {"email": "Mara@example.test", "password": PASSWORD, "name": "Mara"}
    begun = await client.post(f"{AUTH}/register", json=wish)
    assert begun.status_code == 202
    code = await persons.code("mara@example.test")
    confirmation = {"registration_id": begun.json()["registration_id"], "code": f"{code[:4]} {code[4:]}"}
    made = await client.post(f"{AUTH}/register/confirm", json=confirmation)
    assert (made.status_code, made.json()["roles"]) == (201, ["user"])
    problem(await client.post(f"{AUTH}/register/confirm", json=confirmation), 401, "invalid-code")
    tokens = await signed_in(client, "mara@example.test")
    me = await client.get(f"{AUTH}/me", headers=bearer(tokens))
    assert me.json() == made.json()
    assert me.headers["etag"]


async def test_registering_an_address_that_has_an_account_is_answered_alike_and_leads_nowhere(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered("mara@example.test")
    wish = {"email": "mara@example.test", "password": ANOTHER}
    taken = await client.post(f"{AUTH}/register", json=wish)
    free = await client.post(f"{AUTH}/register", json={**wish, "email": "free@example.test"})
    assert (taken.status_code, taken.json().keys()) == (free.status_code, free.json().keys())
    code = await persons.code("mara@example.test")
    confirmation = {"registration_id": taken.json()["registration_id"], "code": code}
    problem(await client.post(f"{AUTH}/register/confirm", json=confirmation), 401, "invalid-code")
    await signed_in(client, "mara@example.test")


async def test_weak_passwords_are_refused(client: httpx.AsyncClient) -> None:
    for weak in ("short", "password123", "Password2026!", "aaaaaaaaaaaa", "mara@example.test"):
        answer = await client.post(f"{AUTH}/register", json={"email": "mara@example.test", "password": weak})
        problem(answer, 422, "invalid-fields")


# RFC 9864 calls these signatures Ed25519; what RFC 8037 calls them is what clients know.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
async def test_a_client_of_oauth_2_signs_in_refreshes_and_verifies_without_code_of_its_own(
    edge: Edge, persons: People
) -> None:
    await persons.registered("ines@example.test")
    url = f"{edge.url}{AUTH}/token"

    def use() -> tuple[dict[str, Any], dict[str, Any], Any]:
        with OAuth2Session(client_id="console", token_endpoint_auth_method="none") as oauth:
            first = oauth.fetch_token(url, username="ines@example.test", password=PASSWORD)
            second = oauth.refresh_token(url, refresh_token=first["refresh_token"])
            return dict(first), dict(second), oauth.get(f"{edge.url}{AUTH}/jwks.json").json()

    first, second, published = await asyncio.to_thread(use)
    assert second["refresh_token"] != first["refresh_token"]
    keys = KeySet.import_key_set(published)  # of Authlib's own library
    claims = jwt.decode(second["access_token"], keys, algorithms=["EdDSA"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ORIGIN}, aud={"essential": True, "value": "neoforge"}, exp={"essential": True}
    ).validate(claims)
    assert claims["roles"] == ["user"]


async def test_a_browser_has_the_refresh_token_in_a_cookie_that_only_the_products_pages_can_use(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered("ines@example.test")
    wish = {"username": "ines@example.test", "password": PASSWORD, "transport": "cookie"}
    problem(await client.post(f"{AUTH}/token", json=wish), 403, "cross-site")
    answer = await client.post(f"{AUTH}/token", json=wish, headers=OWN_PAGE)
    assert answer.json()["refresh_token"] is None
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=nfr_")
    for attribute in ("Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        assert f"; {attribute}" in cookie
    token = cookie.partition("=")[2].partition(";")[0]

    async def refreshed(value: str, **headers: str) -> httpx.Response:
        return await client.post(f"{AUTH}/refresh", json={}, headers={"Cookie": f"{COOKIE}={value}", **headers})

    for foreign in ({}, {"Origin": ORIGIN}, {**OWN_PAGE, "Origin": "https://evil.example"}, {"X-NeoForge-CSRF": "1"}):
        problem(await refreshed(token, **foreign), 403, "cross-site")
    good = await refreshed(token, **OWN_PAGE)
    assert good.status_code == 200
    assert good.headers["set-cookie"].startswith(f"{COOKIE}=nfr_")
    bad = await refreshed("nfr_forged", **OWN_PAGE)
    problem(bad, 401, "invalid-refresh-token")
    assert "set-cookie" not in bad.headers
    out = await client.post(f"{AUTH}/logout", json={}, headers={"Cookie": f"{COOKIE}={token}", **OWN_PAGE})
    assert out.status_code == 204
    assert "Max-Age=0" in out.headers["set-cookie"]


async def test_a_changed_password_ends_every_other_session_and_is_in_the_audit_trail(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered("ines@example.test")
    here, there = await signed_in(client, "ines@example.test"), await signed_in(client, "ines@example.test")
    change = {"current_password": "wrong", "new_password": ANOTHER}
    problem(await client.post(f"{AUTH}/password", json=change, headers=bearer(here)), 403, "wrong-password")
    change["current_password"] = PASSWORD
    changed = await client.post(f"{AUTH}/password", json=change, headers=bearer(here))
    assert changed.json() == {"revoked_sessions": 1, "revoked_access_tokens": 0}
    gone = await client.post(f"{AUTH}/refresh", json={"refresh_token": there["refresh_token"]})
    problem(gone, 401, "invalid-refresh-token")
    sessions = (await client.get(f"{AUTH}/sessions", headers=bearer(here))).json()
    assert [session["id"] for session in sessions["items"]] == [here["session_id"]]
    assert sessions["items"][0]["is_current"]
    trail = (await client.get(f"{AUTH}/audit", headers=bearer(here))).json()["items"]
    assert trail[0]["kind"] == "account.password_changed"
    assert (trail[0]["actor_id"], trail[0]["address"]) == (trail[0]["account_id"], "127.0.0.1")
    assert trail[0]["request_id"]
    everybody = await client.get(f"{AUTH}/audit", params={"everybody": "true"}, headers=bearer(here))
    problem(everybody, 403, "forbidden")


async def test_no_roles_at_all_are_refused(client: httpx.AsyncClient, persons: People) -> None:
    ines = await persons.administrator()
    admin = bearer(await signed_in(client, ines.email))
    path = f"{AUTH}/accounts/{ines.account_id}/roles"
    refused = problem(await client.put(path, json={"roles": []}, headers=admin), 422, "invalid-fields")
    assert [error["pointer"] for error in refused["errors"]] == ["/roles"]
    assert (await client.get(f"{AUTH}/me", headers=admin)).json()["roles"] == ["admin", "user"]


async def test_a_forgotten_password_is_set_anew_by_a_mailed_code(
    client: httpx.AsyncClient, persons: People, run_jobs: JobRunner
) -> None:
    await persons.registered("ines@example.test")
    tokens = await signed_in(client, "ines@example.test")
    known = await client.post(f"{AUTH}/password/reset", json={"email": "ines@example.test"})
    unknown = await client.post(f"{AUTH}/password/reset", json={"email": "nobody@example.test"})
    assert known.status_code == unknown.status_code == 202
    wish = {"reset_id": known.json()["reset_id"], "new_password": ANOTHER}
    for _ in range(4):
        wrong = await client.post(f"{AUTH}/password/reset/confirm", json={**wish, "code": "00000000"})
        problem(wrong, 401, "invalid-code")
    code = await persons.code("ines@example.test")
    assert (await client.post(f"{AUTH}/password/reset/confirm", json={**wish, "code": code})).status_code == 204
    problem(
        await client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]}),
        401,
        "invalid-refresh-token",
    )
    again = await client.post(f"{AUTH}/token", json={"username": "ines@example.test", "password": ANOTHER})
    assert again.status_code == 200


async def test_a_code_takes_five_tries(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered("ines@example.test")
    asked = await client.post(f"{AUTH}/password/reset", json={"email": "ines@example.test"})
    wish = {"reset_id": asked.json()["reset_id"], "new_password": ANOTHER}
    for _ in range(5):
        await client.post(f"{AUTH}/password/reset/confirm", json={**wish, "code": "00000000"})
    wish["code"] = await persons.code("ines@example.test")
    problem(await client.post(f"{AUTH}/password/reset/confirm", json=wish), 401, "invalid-code")


async def test_a_code_that_was_not_mailed_is_worth_nothing(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered("ines@example.test")
    for _ in range(6):
        asked = await client.post(f"{AUTH}/password/reset", json={"email": "ines@example.test"})
    wish = {"reset_id": asked.json()["reset_id"], "new_password": ANOTHER}
    wish["code"] = await persons.code("ines@example.test")
    problem(await client.post(f"{AUTH}/password/reset/confirm", json=wish), 401, "invalid-code")


async def test_a_lookalike_of_an_address_is_nobodys(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered("tomas@example.test")
    asked = await client.post(f"{AUTH}/password/reset", json={"email": "toma\u017f@example.test"})
    wish = {"reset_id": asked.json()["reset_id"], "new_password": ANOTHER}
    wish["code"] = await persons.code("toma\u017f@example.test")
    problem(await client.post(f"{AUTH}/password/reset/confirm", json=wish), 401, "invalid-code")


async def test_a_personal_access_token_acts_within_its_scope_until_it_is_revoked(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered("ines@example.test")
    tokens = await signed_in(client, "ines@example.test")
    wish = {"headers": {**bearer(tokens), "Idempotency-Key": '"k1"'}, "json": {"name": "Deploys", "scope": "read"}}
    made = await client.post(f"{AUTH}/access-tokens", **wish)
    again = await client.post(f"{AUTH}/access-tokens", **wish)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    as_program = {"Authorization": f"Bearer {made.json()['token']}"}
    # There is no projects service here: who is let through learns that.
    assert (await client.get("/api/v1/projects", headers=as_program)).status_code == 503
    for method, path in (("GET", f"{AUTH}/sessions"), ("POST", f"{AUTH}/sessions/revoke-others")):
        problem(await client.request(method, path, headers=as_program), 403, "forbidden")
    write = await client.post(
        "/api/v1/projects", json={"name": "Atlas"}, headers={**as_program, "Idempotency-Key": '"k2"'}
    )
    problem(write, 403, "forbidden")
    challenge = 'Bearer realm="neoforge", error="insufficient_scope", scope="write"'
    assert write.headers["www-authenticate"] == challenge  # RFC 6750, section 3.1
    item = made.headers["location"]
    read = (await client.get(item, headers=bearer(tokens))).json()
    assert read["last_used_at"] is not None
    assert "token" not in read
    assert (await client.delete(item, headers=bearer(tokens))).status_code == 204

    async def is_refused() -> bool:
        return (await client.get("/api/v1/projects", headers=as_program)).status_code == 401

    await until(is_refused)
    forged = {"Authorization": f"Bearer {made.json()['token'][:-3]}AAA"}
    assert (await client.get("/api/v1/projects", headers=forged)).status_code == 401


async def test_a_spent_token_ends_its_own_session_alone_and_the_trail_says_why(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered("ines@example.test")
    stolen, other = await signed_in(client, "ines@example.test"), await signed_in(client, "ines@example.test")

    async def refreshed(token: str) -> httpx.Response:
        return await client.post(f"{AUTH}/refresh", json={"refresh_token": token})

    second = (await refreshed(stolen["refresh_token"])).json()["refresh_token"]
    third = (await refreshed(second)).json()["refresh_token"]
    # Two seconds have not passed: the grace covers the one before the current, and no older one.
    problem(await refreshed(stolen["refresh_token"]), 401, "invalid-refresh-token")
    problem(await refreshed(third), 401, "invalid-refresh-token")
    alive = (await refreshed(other["refresh_token"])).json()
    sessions = (await client.get(f"{AUTH}/sessions", headers=bearer(alive))).json()["items"]
    assert [session["id"] for session in sessions] == [other["session_id"]]
    trail = (await client.get(f"{AUTH}/audit", headers=bearer(alive))).json()["items"]
    (reuse,) = [entry for entry in trail if entry["kind"] == "session.token_reused"]
    assert reuse["session_id"] == stolen["session_id"]
