import re

import httpx
import pytest

from gateway.problem_types import TYPES
from gateway.testing.edge import PUBLIC_URL

PATH = "/api/v1/projects"
CONSOLE = "https://console.example.test"


def test_every_problem_type_has_its_page_and_the_index_names_it(client: httpx.Client) -> None:
    index = client.get("/problems").text
    for type_ in TYPES.values():
        page = client.get(f"/problems/{type_.name}")
        assert page.status_code == 200
        assert str(int(type_.status)) in page.text
        assert f"/problems/{type_.name}" in index


def test_the_type_of_a_problem_is_the_address_of_its_page(client: httpx.Client) -> None:
    type_ = client.get(PATH).json()["type"]
    assert client.get(type_.removeprefix(PUBLIC_URL)).status_code == 200


def test_the_documentation_needs_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses
    for address in addresses:
        if address != "data:,":
            assert address.startswith("/")
            assert client.get(address).status_code == 200, address
    assert not re.search(r"<script>(?!</script>)|onload=", page.text)


@pytest.mark.parametrize("path", [PATH, "/health", "/ready", "/metrics", "/docs", "/nothing", "/problems/forbidden"])
def test_every_answer_has_the_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    if path == PATH:
        assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_scripts_of_the_console_may_call_and_read_errors(client: httpx.Client) -> None:
    preflight = client.options(
        PATH,
        headers={
            "Origin": CONSOLE,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "authorization, idempotency-key, if-match, content-type",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == CONSOLE
    answer = client.get(PATH, headers={"Origin": CONSOLE})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == CONSOLE
    assert "X-Trace-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]


def test_scripts_of_other_origins_may_not(client: httpx.Client) -> None:
    headers = {"Origin": "https://evil.example.test", "Access-Control-Request-Method": "GET"}
    refused = client.options(PATH, headers=headers)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith("/problems/cross-origin-refused")
    assert "Access-Control-Allow-Origin" not in refused.headers
    assert "Access-Control-Allow-Origin" not in client.get(PATH, headers=headers).headers
