"""Passkeys in a real browser: Chromium, with the virtual authenticator that it has for this."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from auth.testing import PASSWORD, People
from chassis.testing.programs import need

from .chromium import Chromium, Refused, Tab, chromium
from .conftest import ORIGIN, bearer, signed_in
from .test_rest import problem

AUTH = "/api/v1/auth"
PERSON = "ines@example.test"

MAKE = """async (options) => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({publicKey})).toJSON();
}"""
SIGN = """async (options) => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({publicKey})).toJSON();
}"""


class Page(BaseHTTPRequestHandler):
    """A page of the product: what runs in it is up to the test."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>NeoForge</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def own_settings(own_settings: Mapping[str, Any], page: str) -> Mapping[str, Any]:
    return {**own_settings, "token_issuer": ORIGIN, "passkey_domain": "localhost", "passkey_origins": page}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Started before any service of a test, which runs in this very process and would wait with it."""
    need("chromium")
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def tab(browser: Chromium, page: str) -> Tab:
    """A page of the product, with an authenticator of its own."""
    tab = browser.tab()
    tab.go(page)
    tab.ask("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    tab.ask("WebAuthn.addVirtualAuthenticator", options=options)
    return tab


async def test_a_browser_makes_a_passkey_and_signs_in_by_it_alone(
    tab: Tab, client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)

    async def options(path: str, **request: Any) -> tuple[str, Any]:
        answer = await client.post(f"{AUTH}{path}", **request)
        assert answer.status_code == 200, answer.text
        return answer.json()["challenge_id"], answer.json()["options"]

    challenge_id, asked = await options("/passkeys/options", headers=bearer(tokens))
    credential = await asyncio.to_thread(tab.run, MAKE, asked)
    wish = {"challenge_id": challenge_id, "credential": credential, "name": "Chromium"}
    made = await client.post(f"{AUTH}/passkeys", json=wish, headers=bearer(tokens))
    assert made.status_code == 201, made.text

    # The same authenticator does not make a second one for the same account.
    _, again = await options("/passkeys/options", headers=bearer(tokens))
    with pytest.raises(Refused, match="InvalidStateError"):
        await asyncio.to_thread(tab.run, MAKE, again)

    for _ in range(2):  # its counter grows
        challenge_id, asked = await options("/token/passkey/options")
        assert asked.get("allowCredentials", []) == []
        credential = await asyncio.to_thread(tab.run, SIGN, asked)
        proof = {"challenge_id": challenge_id, "credential": credential}
        session = await client.post(f"{AUTH}/token/passkey", json=proof)
        assert session.status_code == 200, session.text
        me = await client.get(f"{AUTH}/me", headers=bearer(session.json()))
        assert me.json()["email"] == PERSON
        problem(await client.post(f"{AUTH}/token/passkey", json=proof), 401, "invalid-passkey")


async def test_a_browser_proves_a_second_factor_and_a_step_up_by_its_passkey(
    tab: Tab, client: httpx.AsyncClient, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    begun = (await client.post(f"{AUTH}/passkeys/options", headers=bearer(tokens))).json()
    credential = await asyncio.to_thread(tab.run, MAKE, begun["options"])
    wish = {"challenge_id": begun["challenge_id"], "credential": credential, "name": "Chromium"}
    assert (await client.post(f"{AUTH}/passkeys", json=wish, headers=bearer(tokens))).status_code == 201
    secret = (await client.post(f"{AUTH}/second-factor/totp", headers=bearer(tokens))).json()["secret"]
    code = {"code": persons.totp_code(secret)}
    await client.post(f"{AUTH}/second-factor/totp/confirm", json=code, headers=bearer(tokens))

    login = {"username": PERSON, "password": PASSWORD}
    waits = problem(await client.post(f"{AUTH}/token", json=login), 401, "second-factor-required")
    pending = waits["second_factor"]["pending"]
    assert "passkey" in waits["second_factor"]["methods"]
    asked = (await client.post(f"{AUTH}/token/second-factor/passkey", json={"pending": pending})).json()
    credential = await asyncio.to_thread(tab.run, SIGN, asked["options"])
    factor = {"passkey": {"challenge_id": asked["challenge_id"], "credential": credential}}
    done = await client.post(f"{AUTH}/token/second-factor", json={"pending": pending, **factor})
    assert done.status_code == 200, done.text

    asked = (await client.post(f"{AUTH}/step-up/passkey", headers=bearer(tokens))).json()
    credential = await asyncio.to_thread(tab.run, SIGN, asked["options"])
    proof = {"passkey": {"challenge_id": asked["challenge_id"], "credential": credential}}
    assert (await client.post(f"{AUTH}/step-up", json=proof, headers=bearer(tokens))).status_code == 200
