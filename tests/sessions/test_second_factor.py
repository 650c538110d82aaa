"""The second factor as clients meet it: over HTTP, through the gateway."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import pyotp

from auth.testing import PASSWORD, People

from .conftest import bearer, signed_in
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


async def asked(client: httpx.AsyncClient) -> str:
    """Sign in by password, and give the pending sign-in."""
    answer = await client.post(f"{AUTH}/token", json=LOGIN)
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
