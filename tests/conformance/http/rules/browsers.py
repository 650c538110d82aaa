"""What browsers are told: Fetch (CORS), CSP, HSTS, and not to guess."""

import httpx
from tests.conformance.http.kit import POSTS, PROJECTS, NotHere, Visitor, expect, rule

STRANGER = {"Origin": "https://stranger.example"}


def _some(visitor: Visitor) -> list[tuple[str, httpx.Response]]:
    return [
        ("a list", visitor.client.get(PROJECTS)),
        ("a 304", visitor.client.get(PROJECTS, headers={"If-None-Match": "*"})),
        ("a 401", visitor.anyone.get(PROJECTS)),
        ("a 404", visitor.client.get("/no/such/path")),
        ("a 405", visitor.client.put(PROJECTS)),
        ("a 422", visitor.client.get(f"{PROJECTS}?page_size=0")),
        ("OPTIONS", visitor.client.options(PROJECTS)),
    ]


@rule("CSP Level 3, 6", "every answer of the API forbids all content and all framing")
def _(visitor: Visitor) -> None:
    for what, answer in _some(visitor):
        policy = answer.headers.get("content-security-policy", "")
        expect("default-src 'none'" in policy and "frame-ancestors 'none'" in policy, f"{what}: {policy!r}")


@rule("Fetch, 3.6", "every answer says nosniff, and keeps addresses out of Referer")
def _(visitor: Visitor) -> None:
    for what, answer in _some(visitor):
        headers = answer.headers
        expect(headers.get("x-content-type-options") == "nosniff", f"{what} lacks nosniff")
        expect("referrer-policy" in headers, f"{what} lacks Referrer-Policy")
        expect("server" not in headers or not any(c.isdigit() for c in headers["server"]), f"{what} names a version")


@rule("Fetch, 3.3.3", "scripts of an origin that is not listed read nothing that needs a person, and may not write")
def _(visitor: Visitor) -> None:
    for answer in (visitor.client.get(PROJECTS, headers=STRANGER), visitor.client.get("/no", headers=STRANGER)):
        expect("access-control-allow-origin" not in answer.headers, f"a {answer.status_code} may be read")
    ask = {**STRANGER, "Access-Control-Request-Method": "POST"}
    expect("access-control-allow-origin" not in visitor.anyone.options(PROJECTS, headers=ask).headers, "it may write")


@rule("Fetch, 3.3.3", "no answer lets every origin use somebody's cookies")
def _(visitor: Visitor) -> None:
    for path in (PROJECTS, POSTS, "/api/v1/status"):
        headers = visitor.anyone.get(path, headers=STRANGER).headers
        if headers.get("access-control-allow-origin") in ("*", STRANGER["Origin"]):
            expect("access-control-allow-credentials" not in headers, f"{path} does")


@rule("RFC 9110, 12.5.5", "what depends on the origin says so in Vary")
def _(visitor: Visitor) -> None:
    for what, answer in _some(visitor):
        vary = {name.strip().lower() for name in answer.headers.get("vary", "").split(",")}
        expect("origin" in vary, f"{what}: Vary: {vary}")


@rule("RFC 6797, 7.1", "over TLS, an answer says that TLS is to be used from now on")
def _(visitor: Visitor) -> None:
    if visitor.url.scheme != "https":
        expect("strict-transport-security" not in visitor.anyone.get(POSTS).headers, "it is said without TLS")
        raise NotHere("the address is not https")
    expect("max-age=" in visitor.anyone.get(POSTS).headers.get("strict-transport-security", ""), "it is not said")
