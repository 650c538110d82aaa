"""What no route takes: addresses, methods, media types and bodies."""

import json
from collections.abc import Callable

import httpx
import pytest

from gateway.testing.problems import problem_of

PATH = "/api/v1/projects"
UNUSED = "018f0000-0000-7000-9000-0000000000ff"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", PATH, "GET, HEAD, OPTIONS, POST"),
        ("POST", f"{PATH}/{UNUSED}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("TRACE", f"{PATH}/{UNUSED}", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("PATCH", f"{PATH}/{UNUSED}/members/{UNUSED}", "DELETE, OPTIONS, PUT"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_wrong_method_is_405_with_every_method_there_is(
    ines: httpx.Client, method: str, path: str, allowed: str
) -> None:
    answer = ines.request(method, path)
    assert (answer.status_code, problem_of(answer), answer.headers["Allow"]) == (405, "method-not-allowed", allowed)
    options = ines.options(path)
    assert (options.status_code, options.headers["Allow"]) == (204, allowed)


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/nothing", f"{PATH}/", "/problems/nothing", "/docs/assets/nothing"]
)
def test_an_address_that_does_not_exist_is_404(client: httpx.Client, path: str) -> None:
    assert problem_of(client.get(path)) == "not-found"
    if path != "/problems/nothing" and "assets" not in path:
        assert problem_of(client.options(path)) == "not-found"


def test_what_json_cannot_be_is_told_apart(sign_in: Callable[..., httpx.Client]) -> None:
    ines = sign_in()
    for content in (
        b"",
        b"{",
        b"nul",
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"name":"x"}x',
        b"1" * 5_000,
        b'\xef\xbb\xbf{"name":"x"}',
        json.dumps("x").encode("utf-16"),
    ):
        headers = {"Idempotency-Key": '"k1"', "Content-Type": "application/json"}
        answer = ines.post(PATH, content=content, headers=headers)
        assert (answer.status_code, problem_of(answer)) == (400, "malformed-body"), content[:30]
    twice = ines.post(PATH, content=b'{"name":"first","name":"last"}', headers=headers)
    assert twice.json()["name"] == "last"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/xml"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/merge-patch+json"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": ";"},
    ],
)
def test_a_wrong_media_type_is_415(ines: httpx.Client, headers: dict[str, str]) -> None:
    answer = ines.post(PATH, content=b'{"name":"x"}', headers={"Idempotency-Key": '"k1"', **headers})
    assert (answer.status_code, problem_of(answer)) == (415, "unsupported-media-type")
    assert "Accept" in answer.headers or answer.headers["Accept-Encoding"] == "identity"


def test_more_than_a_mebibyte_is_413_with_and_without_a_declared_length(ines: httpx.Client) -> None:
    body = b'{"name":"' + b"x" * (1024 * 1024) + b'"}'
    headers = {"Idempotency-Key": '"k1"', "Content-Type": "application/json"}
    assert problem_of(ines.post(PATH, content=body, headers=headers)) == "content-too-large"
    chunks = (body[i : i + 65_536] for i in range(0, len(body), 65_536))
    assert problem_of(ines.post(PATH, content=chunks, headers=headers)) == "content-too-large"
    assert ines.get(PATH).status_code == 200
