"""The second factor as clients meet it: over HTTP, through the gateway."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pyotp
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from auth.testing import PASSWORD, People
from auth.testing_authenticator import Authenticator
from gateway.browser import COOKIE
from gateway.testing.edge import Edge

from .conftest import ORIGIN, bearer, signed_in
from .test_rest import problem

AUTH = "/api/v1/auth"
PERSON = "ines@example.test"
LOGIN = {"username": PERSON, "password": PASSWORD}


def code_of(secret: str, steps: int = 0) -> str:
    """Give the code of a time step, counted from the present one. The next one is good already, and still if the clock
    goes on to its step before the service sees it.
    """
    return pyotp.HOTP(secret).at(int(time.time()) // 30 + steps)


async def enrolled(client: httpx.AsyncClient, tokens: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Turn the second factor on by the present code; give its secret and recovery codes."""
    begun = await client.post(f"{AUTH}/second-factor/totp", headers=bearer(tokens))
    assert begun.status_code == 200, begun.text
    secret = begun.json()["secret"]
    done = await client.post(
        f"{AUTH}/second-factor/totp/confirm", json={"code": code_of(secret)}, headers=bearer(tokens)
    )
    assert done.status_code == 200, done.text
    return secret, done.json()["recovery_codes"]


async def asked(client: httpx.AsyncClient, email: str = PERSON) -> str:
    """Sign in by password, and give the pending sign-in."""
    answer = await client.post(f"{AUTH}/token", json={**LOGIN, "username": email})
    members = problem(answer, 401, "second-factor-required")
    return str(members["second_factor"]["pending"])


async def completed(client: httpx.AsyncClient, pending: str, **factor: Any) -> httpx.Response:
    return await client.post(f"{AUTH}/token/second-factor", json={"pending": pending, **factor})


async def kinds(client: httpx.AsyncClient, tokens: Mapping[str, Any]) -> list[str]:
    trail = await client.get(f"{AUTH}/audit", params={"page_size": 100}, headers=bearer(tokens))
    assert trail.status_code == 200, trail.text
    return [entry["kind"] for entry in trail.json()["items"]]


async def test_a_person_turns_the_second_factor_on_and_signs_in_with_it(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    off = await client.get(f"{AUTH}/second-factor", headers=bearer(tokens))
    assert off.json() == {"enabled_at": None, "recovery_codes_left": 0, "passkeys": 0}
    begun = (await client.post(f"{AUTH}/second-factor/totp", headers=bearer(tokens))).json()
    assert begun["qr_svg"].startswith("<svg")
    assert pyotp.parse_uri(begun["uri"]).secret == begun["secret"]
    wrong = await client.post(f"{AUTH}/second-factor/totp/confirm", json={"code": "000000"}, headers=bearer(tokens))
    problem(wrong, 403, "wrong-second-factor")
    await signed_in(client, PERSON)  # it is not on yet
    right = {"code": code_of(begun["secret"])}
    done = await client.post(f"{AUTH}/second-factor/totp/confirm", json=right, headers=bearer(tokens))
    assert len(set(done.json()["recovery_codes"])) == 10
    assert done.headers["cache-control"] == "no-store"
    on = (await client.get(f"{AUTH}/second-factor", headers=bearer(tokens))).json()
    assert (on["enabled_at"] is not None, on["recovery_codes_left"]) == (True, 10)

    answer = await client.post(f"{AUTH}/token", json=LOGIN)
    members = problem(answer, 401, "second-factor-required")
    assert members["error"] == "mfa_required"
    assert members["second_factor"]["methods"] == ["totp", "recovery_code"]
    assert "access_token" not in members
    session = await completed(client, members["second_factor"]["pending"], code=code_of(begun["secret"], 1))
    assert session.status_code == 200, session.text
    me = await client.get(f"{AUTH}/me", headers=bearer(session.json()))
    assert me.json()["email"] == PERSON
    assert (await kinds(client, session.json()))[:2] == ["session.signed_in", "session.second_factor_asked"]
    again = await client.post(f"{AUTH}/refresh", json={"refresh_token": session.json()["refresh_token"]})
    assert again.status_code == 200


async def test_thirty_wrong_codes_end_the_sign_in_and_a_restarted_one_is_stopped_too(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    secret, recovery_codes = await enrolled(client, tokens)
    first = await asked(client)
    answers = [await completed(client, first, code="000000") for _ in range(30)]
    for answer in answers[:5]:
        problem(answer, 401, "invalid-code")
    for answer in answers[5:]:
        problem(answer, 401, "invalid-pending-sign-in")
    problem(await completed(client, first, code=code_of(secret, 1)), 401, "invalid-pending-sign-in")
    second = await asked(client)
    for _ in range(5):
        problem(await completed(client, second, code="000000"), 401, "invalid-code")
    third = await asked(client)
    for factor in ({"code": code_of(secret, 1)}, {"recovery_code": recovery_codes[0]}):
        stopped = await completed(client, third, **factor)
        problem(stopped, 429, "too-many-attempts")
        assert 0 < int(stopped.headers["retry-after"]) <= 900
    trail = await kinds(client, tokens)
    assert trail.count("account.second_factor_refused") == 10
    assert trail.count("session.second_factor_given_up") == 2


async def test_a_client_of_oauth_2_is_told_that_a_second_factor_is_needed(
    client: httpx.AsyncClient, edge: Edge, persons: People
) -> None:
    await persons.registered(PERSON)
    await enrolled(client, await signed_in(client, PERSON))

    def use() -> None:
        with OAuth2Session(client_id="console", token_endpoint_auth_method="none") as oauth:
            oauth.fetch_token(f"{edge.url}{AUTH}/token", username=PERSON, password=PASSWORD)

    with pytest.raises(OAuthError) as told:
        await asyncio.to_thread(use)
    assert told.value.error == "mfa_required"


async def test_a_browser_completes_a_sign_in_into_its_cookie(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered(PERSON)
    secret, _ = await enrolled(client, await signed_in(client, PERSON))
    own_page = {"Origin": ORIGIN, "X-NeoForge-CSRF": "1"}
    begun = await client.post(f"{AUTH}/token", json={**LOGIN, "transport": "cookie"}, headers=own_page)
    assert "set-cookie" not in begun.headers
    pending = problem(begun, 401, "second-factor-required")["second_factor"]["pending"]
    step = {"pending": pending, "code": code_of(secret, 1), "transport": "cookie"}
    problem(await client.post(f"{AUTH}/token/second-factor", json=step), 403, "cross-site")
    done = await client.post(f"{AUTH}/token/second-factor", json=step, headers=own_page)
    assert done.json()["refresh_token"] is None
    assert done.headers["set-cookie"].startswith(f"{COOKIE}=nfr_")


async def test_what_proves_it_is_one_thing(client: httpx.AsyncClient, persons: People) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    await enrolled(client, tokens)
    pending = await asked(client)
    for factor in ({}, {"code": "000000", "recovery_code": "x"}, {"password": PASSWORD}, {"passkey": {}}):
        problem(await completed(client, pending, **factor), 422, "invalid-fields")
    for proof in ({}, {"code": "000000", "password": PASSWORD}):
        answer = await client.post(f"{AUTH}/step-up", json=proof, headers=bearer(tokens))
        problem(answer, 422, "invalid-fields")


async def test_what_is_sensitive_asks_for_a_step_up_and_says_by_what(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    before, tokens = await signed_in(client, PERSON), await signed_in(client, PERSON)
    _, recovery_codes = await enrolled(client, tokens)
    off = f"{AUTH}/second-factor/totp"
    refused = problem(await client.delete(off, headers=bearer(before)), 403, "step-up-required")
    assert refused["methods"] == ["totp", "recovery_code"]
    by_password = await client.post(f"{AUTH}/step-up", json={"password": PASSWORD}, headers=bearer(before))
    problem(by_password, 403, "step-up-required")
    proof = {"recovery_code": recovery_codes[0]}
    stepped = await client.post(f"{AUTH}/step-up", json=proof, headers=bearer(before))
    assert stepped.json().keys() == {"expires_at"}
    assert (await client.delete(off, headers=bearer(before))).status_code == 204
    problem(await client.delete(off, headers=bearer(before)), 404, "not-found")
    await signed_in(client, PERSON)


async def test_a_passkey_is_made_renamed_used_in_every_way_and_removed(
    client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens, device = await signed_in(client, PERSON), Authenticator(ORIGIN)
    begun = (await client.post(f"{AUTH}/passkeys/options", headers=bearer(tokens))).json()
    wish = {"challenge_id": begun["challenge_id"], "credential": device.create(begun["options"]), "name": "Phone"}
    key = {"Idempotency-Key": '"k1"'}
    made = await client.post(f"{AUTH}/passkeys", json=wish, headers=bearer(tokens) | key)
    again = await client.post(f"{AUTH}/passkeys", json=wish, headers=bearer(tokens) | key)
    assert (made.status_code, again.status_code) == (201, 200), made.text
    assert made.json() == again.json()
    item = made.headers["location"]
    change = {"json": {"name": "Old phone"}, "headers": bearer(tokens) | {"If-Match": made.headers["etag"]}}
    assert (await client.patch(item, **change)).json()["name"] == "Old phone"
    problem(await client.patch(item, **change), 412, "version-mismatch")

    async def answer(path: str, body: Any = None, headers: Any = None) -> dict[str, Any]:
        options = await client.post(f"{AUTH}{path}", json=body, headers=headers)
        assert options.status_code == 200, options.text
        found = options.json()
        return {"challenge_id": found["challenge_id"], "credential": device.sign(found["options"])}

    alone = await client.post(f"{AUTH}/token/passkey", json=await answer("/token/passkey/options"))
    assert alone.status_code == 200, alone.text
    assert (await client.get(f"{AUTH}/me", headers=bearer(alone.json()))).json()["email"] == PERSON
    await enrolled(client, tokens)
    pending = await asked(client)
    factor = await answer("/token/second-factor/passkey", {"pending": pending})
    assert (await completed(client, pending, passkey=factor)).status_code == 200
    proof = {"passkey": await answer("/step-up/passkey", headers=bearer(tokens))}
    assert (await client.post(f"{AUTH}/step-up", json=proof, headers=bearer(tokens))).status_code == 200
    problem(await client.post(f"{AUTH}/step-up", json=proof, headers=bearer(tokens)), 403, "wrong-second-factor")
    listed = (await client.get(f"{AUTH}/passkeys", headers=bearer(tokens))).json()
    assert [found["last_used_at"] is not None for found in listed["items"]] == [True]
    assert (await client.delete(item, headers=bearer(tokens))).status_code == 204
    gone = await client.post(f"{AUTH}/token/passkey", json=await answer("/token/passkey/options"))
    problem(gone, 401, "invalid-passkey")
