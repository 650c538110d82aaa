import http.client
import json
import stat
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest

from devstack.errors import StackError
from devstack.folders import Folders
from devstack.issuer import issue, server
from devstack.ports import Ports
from devstack.tokens import Signer

INES = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    with server(Signer(tmp_path / "issuer.key", "http://issuer"), 0) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(issuer: ThreadingHTTPServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", issuer.server_port, timeout=10)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Content-Type": "application/json"} | named)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def claims_of(issuer: ThreadingHTTPServer, token: str) -> dict[str, Any]:
    """What a token says, checked as the gateway checks it: by the published keys."""
    status, keys = ask(issuer, "GET", "/.well-known/jwks.json")
    assert status == 200
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(token, key, algorithms=["EdDSA"], audience="neoforge", issuer="http://issuer")
    return claims


def test_a_demo_persons_token_can_be_checked_by_the_published_keys(issuer: ThreadingHTTPServer) -> None:
    status, answer = ask(issuer, "POST", "/token", b'{"person": "ines"}')
    assert status == 200
    claims = claims_of(issuer, answer["access_token"])
    assert (claims["sub"], claims["roles"]) == (INES, ["user", "admin"])
    assert claims["exp"] - claims["iat"] == 12 * 3600
    assert claims["sid"]


def test_anybody_elses_token_has_the_roles_asked_for(issuer: ThreadingHTTPServer) -> None:
    wish = {"sub": "018F0000-0000-7000-8000-0000000000aa", "roles": ["agent"]}
    _, answer = ask(issuer, "POST", "/token", json.dumps(wish).encode())
    claims = claims_of(issuer, answer["access_token"])
    assert (claims["sub"], claims["roles"]) == (wish["sub"].lower(), ["agent"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"person": "nobody"}', 422),
        (b'{"person": ["ines"]}', 422),
        (b'{"sub": "no uuid"}', 422),
        (b'{"sub": 1}', 422),
        (b'{"sub": "018f0000-0000-7000-8000-000000000001", "roles": ["king"]}', 422),
        (b'{"sub": "018f0000-0000-7000-8000-000000000001", "roles": [{}]}', 422),
        (b"[]", 422),
        (b"\xff", 422),
        (b"[" * 4000, 422),
        (b" " * 5000, 413),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(issuer: ThreadingHTTPServer, body: bytes, status: int) -> None:
    answered, problem = ask(issuer, "POST", "/token", body)
    assert (answered, problem["status"]) == (status, status)


def test_a_page_of_another_origin_gets_no_token(issuer: ThreadingHTTPServer) -> None:
    assert ask(issuer, "POST", "/token", b'{"person": "ines"}', Content_Type="text/plain")[0] == 415
    assert ask(issuer, "POST", "/token", b'{"person": "ines"}', Host="evil.example:80")[0] == 403


def test_other_addresses_are_not_found(issuer: ThreadingHTTPServer) -> None:
    assert ask(issuer, "GET", "/")[0] == 404
    assert ask(issuer, "GET", "/token")[0] == 404


def test_a_token_outlives_the_issuers_restart(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    token = issue(folders, Ports(9000), "mara")
    key = Signer(folders.secrets / "issuer.key", "any").key_set()
    claims = jwt.decode(
        token,
        jwt.PyJWKSet.from_dict(key).keys[0],
        algorithms=["EdDSA"],
        audience="neoforge",
        issuer="http://127.0.0.1:9002",
    )
    assert claims["roles"] == ["user"]
    assert stat.S_IMODE((folders.secrets / "issuer.key").stat().st_mode) == 0o600


def test_nobody_of_that_name_is_answered_with_who_there_is(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="the demo people are ines, tomas, mara"):
        issue(Folders(tmp_path), Ports(9000), "olaf")


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nonsense")
    with pytest.raises(StackError, match="key is damaged"):
        Signer(tmp_path / "key", "any")
