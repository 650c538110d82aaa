import base64
import json
import time
from collections.abc import Callable
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.identity import KeySet, at_url
from gateway.testing.edge import Edge
from gateway.testing.issuer import AUDIENCE, ISSUER, StandInIssuer
from gateway.testing.servicer import StandInProjects

PATH = "/api/v1/projects"
INES = "018f0000-0000-7000-8000-000000000001"


def ask(client: httpx.Client, authorization: str) -> httpx.Response:
    return client.get(PATH, headers={"Authorization": authorization})


def test_the_service_learns_who_calls(sign_in: Callable[..., httpx.Client], projects: StandInProjects) -> None:
    subject = uuid4()
    answer = sign_in(subject, roles=["user", "admin"], sid="s-9").get(PATH, headers={"X-Forwarded-For": "198.51.100.7"})
    assert answer.status_code == 200
    _, caller, metadata = projects.calls[-1]
    assert caller.subject == subject
    assert caller.roles == {"user", "admin"}
    assert caller.session == "s-9"
    assert caller.address == "198.51.100.7"
    assert metadata["x-request-id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic aW5lczpwdw=="}])
def test_without_a_token_the_challenge_names_no_error(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.get(PATH, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="neoforge"'
    assert answer.json()["type"] == "https://forge.example.test/problems/unauthenticated"


def unsigned(claims: dict[str, object], key: str, algorithm: str) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "key-1"})


def bad_tokens(issuer: StandInIssuer) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": INES, "iat": now, "exp": now + 600}
    good = issuer.token(INES)
    head, body, signature = good.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps(payload | {"sub": str(uuid4())}).encode()).rstrip(b"=").decode()
    stranger = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "key-1"})
    return {
        "no JWT": "abc",
        "three dots": "a.b.c",
        "not ASCII": "é.é.é",
        "too long": "a" * 9_000,
        "algorithm none": unsigned(claims, "", "none"),
        "shared secret": unsigned(claims, "x" * 40, "HS256"),
        "another's key": stranger,
        "forged body": f"{head}.{forged}.{signature}",
        "no signature": f"{head}.{body}.",
        "expired": issuer.token(INES, exp=now - 1),
        "without expiry": issuer.token(INES, exp=None),
        "another issuer": issuer.token(INES, iss="https://elsewhere.example.test"),
        "another audience": issuer.token(INES, aud="elsewhere"),
        "no person": issuer.token("nobody"),
        "roles no list": issuer.token(INES, roles="admin"),
        "session no text": issuer.token(INES, sid=7),
        "unknown key": jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": "key-x"}),
        "no key id": jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
        "not yet": issuer.token(INES, nbf=now + 600),
    }


def test_bad_tokens_are_401_with_invalid_token(client: httpx.Client, issuer: StandInIssuer, redis: "object") -> None:
    for name, token in bad_tokens(issuer).items():
        answer = client.get(
            PATH,
            headers=[
                (b"Authorization", b"Bearer " + token.encode()),
                (b"X-Forwarded-For", f"192.0.2.{len(name)}".encode()),
            ],
        )
        assert answer.status_code == 401, name
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], name
        assert answer.headers["Content-Type"] == "application/problem+json", name


def test_two_authorization_headers_are_refused(client: httpx.Client, issuer: StandInIssuer) -> None:
    value = f"Bearer {issuer.token(INES)}"
    answer = client.get(PATH, headers=[("Authorization", value), ("Authorization", value)])
    assert answer.status_code == 401


def test_the_scheme_is_read_in_any_case(client: httpx.Client, issuer: StandInIssuer) -> None:
    assert ask(client, f"bEARER {issuer.token(INES)}").status_code == 200


def test_a_token_that_expires_is_refused_though_it_was_good_before(client: httpx.Client, issuer: StandInIssuer) -> None:
    token = issuer.token(INES, exp=int(time.time()) + 2)
    assert ask(client, f"Bearer {token}").status_code == 200
    deadline = time.monotonic() + 5
    while ask(client, f"Bearer {token}").status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "expired" in ask(client, f"Bearer {token}").headers["WWW-Authenticate"]


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_an_unknown_key_asks_the_issuer_once_and_a_new_key_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, clock = StandInIssuer(), Clock()
    monkeypatch.setattr("gateway.identity.time.monotonic", clock)
    async with httpx.AsyncClient() as client:
        keys = KeySet([at_url(issuer.url, client)])
        assert await keys.key("key-1") is not None
        issuer.rotate("key-2")
        assert await keys.key("key-2") is None, "asked a moment ago"
        clock.now += 6
        assert await keys.key("key-2") is not None
        asked = issuer.asked
        for _ in range(20):
            assert await keys.key("invented") is None
        assert issuer.asked == asked
        assert await keys.key("key-1") is not None, "an earlier key holds for as long as it is published"
    issuer.stop()


async def test_the_keys_stay_while_the_issuer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, clock = StandInIssuer(), Clock()
    monkeypatch.setattr("gateway.identity.time.monotonic", clock)
    async with httpx.AsyncClient() as client:
        keys = KeySet([at_url(issuer.url, client)])
        await keys.key("key-1")
        issuer.away = True
        clock.now += 60
        assert await keys.key("key-9") is None
        assert await keys.key("key-1") is not None
    issuer.stop()


def test_a_withdrawn_key_ends_the_tokens_that_were_proved_with_it(
    edge: Edge, client: httpx.Client, issuer: StandInIssuer
) -> None:
    issuer.rotate("key-gone")
    token = issuer.token(INES, key_id="key-gone")
    keys = edge.parts.authenticator._keys
    edge.run(keys._fetch())
    assert ask(client, f"Bearer {token}").status_code == 200
    del issuer.keys["key-gone"]
    issuer.current = "key-1"
    edge.run(keys._fetch())
    assert ask(client, f"Bearer {token}").status_code == 401
