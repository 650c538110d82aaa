"""The errors of the token routes as a client of OAuth 2.0 meets them: Authlib, without code of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from auth.testing import PASSWORD, People
from gateway.testing.edge import Edge

from .conftest import signed_in
from .test_rest import AUTH, problem

PERSON = "ines@example.test"
FORGED = "nfr_forged"


async def told(work: Callable[[OAuth2Session], Any]) -> tuple[str, str, int]:
    """Give the error that Authlib raises, its description, and the status of the answer."""

    def use() -> tuple[str, str, int]:
        statuses = []

        def note(answer: Any) -> Any:
            statuses.append(answer.status_code)
            return answer

        with OAuth2Session(client_id="console", token_endpoint_auth_method="none") as oauth:
            oauth.register_compliance_hook("access_token_response", note)
            oauth.register_compliance_hook("refresh_token_response", note)
            with pytest.raises(OAuthError) as raised:
                work(oauth)
            assert not oauth.token
            return raised.value.error, raised.value.description, statuses[-1]

    return await asyncio.to_thread(use)


@pytest.mark.parametrize(
    ("form", "error", "says"),
    [
        ({"grant_type": "password", "username": PERSON, "password": "wrong"}, "invalid_grant", "password is wrong"),
        ({"grant_type": "refresh_token", "refresh_token": FORGED}, "invalid_grant", "good no more"),
        ({"grant_type": "password", "username": PERSON}, "invalid_request", "needs username and password"),
        ({"grant_type": "password", "username": '"\\é', "password": "x" * 1_001}, "invalid_request", "password: "),
        ({"grant_type": "client_credentials"}, "unsupported_grant_type", "grant_type: "),
    ],
    ids=["wrong password", "forged refresh token", "no password", "too long", "another grant"],
)
async def test_a_client_of_oauth_2_raises_the_error_of_a_token_request(
    edge: Edge, persons: People, form: dict[str, str], error: str, says: str
) -> None:
    await persons.registered(PERSON)
    answer = await told(lambda oauth: oauth.fetch_token(f"{edge.url}{AUTH}/token", **form))
    assert (answer[0], answer[2]) == (error, 400)
    assert says in answer[1]


async def test_a_client_of_oauth_2_refreshes_at_the_route_for_it_and_raises_its_error(
    client: httpx.AsyncClient, edge: Edge, persons: People
) -> None:
    await persons.registered(PERSON)
    tokens = await signed_in(client, PERSON)
    url = f"{edge.url}{AUTH}/refresh"

    def refresh() -> Any:
        with OAuth2Session(client_id="console", token_endpoint_auth_method="none") as oauth:
            return oauth.refresh_token(url, refresh_token=tokens["refresh_token"])

    assert (await asyncio.to_thread(refresh))["access_token"]
    forged = await told(lambda oauth: oauth.refresh_token(url, refresh_token=FORGED))
    assert (forged[0], forged[2]) == ("invalid_grant", 400)
    another = await told(lambda oauth: oauth.fetch_token(url, grant_type="password", username="x", password="x"))
    assert (another[0], another[2]) == ("unsupported_grant_type", 400)


async def test_a_client_of_oauth_2_learns_that_it_tried_too_often(edge: Edge, persons: People) -> None:
    await persons.registered(PERSON)

    def guess(oauth: OAuth2Session) -> Any:
        return oauth.fetch_token(f"{edge.url}{AUTH}/token", username=PERSON, password="wrong")

    errors = [await told(guess) for _ in range(11)]
    assert {(error, status) for error, _, status in errors[:10]} == {("invalid_grant", 400)}
    assert (errors[10][0], errors[10][2]) == ("temporarily_unavailable", 429)


async def test_json_keeps_the_status_of_the_api_and_has_the_error_as_well(client: httpx.AsyncClient) -> None:
    for path, wish, status, name, error in (
        ("token", {"username": PERSON, "password": "wrong"}, 401, "invalid-credentials", "invalid_grant"),
        ("token", {"username": PERSON}, 422, "invalid-fields", "invalid_request"),
        ("token", {"grant_type": "implicit"}, 422, "invalid-fields", "unsupported_grant_type"),
        ("refresh", {"refresh_token": FORGED}, 401, "invalid-refresh-token", "invalid_grant"),
        ("refresh", {}, 401, "invalid-refresh-token", "invalid_grant"),
    ):
        members = problem(await client.post(f"{AUTH}/{path}", json=wish), status, name)
        assert members["error"] == error
        assert members["error_description"]
    for path in ("token", "refresh"):
        broken = await client.post(f"{AUTH}/{path}", content=b"{", headers={"Content-Type": "application/json"})
        assert problem(broken, 400, "malformed-body")["error"] == "invalid_request"
        text = await client.post(f"{AUTH}/{path}", content=b"hello", headers={"Content-Type": "text/plain"})
        assert problem(text, 415, "unsupported-media-type")["error"] == "invalid_request"
        assert problem(await client.get(f"{AUTH}/{path}"), 405, "method-not-allowed")["error"] == "invalid_request"
    cross_site = {"username": PERSON, "password": PASSWORD, "transport": "cookie"}
    refused = problem(await client.post(f"{AUTH}/token", json=cross_site), 403, "cross-site")
    assert refused["error"] == "invalid_request"


async def test_a_description_holds_the_characters_alone_that_it_may(client: httpx.AsyncClient) -> None:
    form = {"grant_type": '"\\é\n', "username": '"\\é\n'}
    answer = await client.post(f"{AUTH}/token", data=form)
    said = problem(answer, 400, "invalid-fields")["error_description"]
    assert all(" " <= character <= "~" and character not in '"\\' for character in said)
    assert "www-authenticate" not in answer.headers


async def test_what_clients_send_is_described_as_json_and_as_a_form(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    for path, name in (("token", "TokenRequest"), ("refresh", "RefreshRequest")):
        content = document["paths"][f"{AUTH}/{path}"]["post"]["requestBody"]["content"]
        assert content.keys() == {"application/json", "application/x-www-form-urlencoded"}
        for described in content.values():
            assert f"/{name}" in str(described["schema"])
