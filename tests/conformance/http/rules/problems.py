"""RFC 9457, and what RFC 9110 asks of an answer that refuses."""

import math

import httpx
from tests.conformance.http.kit import POSTS, PROJECTS, Visitor, a_problem, expect, new_key, rule, status_is

UNUSED = f"{PROJECTS}/018f0000-0000-7000-8000-00000000dead"
JSON = {"Content-Type": "application/json"}


def _post(visitor: Visitor, content: bytes, **headers: str) -> httpx.Response:
    return visitor.client.post(PROJECTS, content=content, headers={**new_key(), **JSON, **headers})


@rule("RFC 9457, 3", "every refusal is application/problem+json, with its status, an address of its type, and where")
def _(visitor: Visitor) -> None:
    for answer, status in (
        (visitor.anyone.get(PROJECTS), 401),
        (visitor.client.get(UNUSED), 404),
        (visitor.client.get("/no/such/path"), 404),
        (visitor.client.put(PROJECTS), 405),
        (visitor.client.get(f"{PROJECTS}?page_size=0"), 422),
        (_post(visitor, b"{"), 400),
        (_post(visitor, b"<a/>", **{"Content-Type": "text/xml"}), 415),
    ):
        body = a_problem(answer, status)
        expect(body["instance"] == answer.request.url.path, f"`instance` is {body['instance']!r}")
        expect(body["title"] != body["detail"], "title and detail say the same")


@rule("RFC 9457, 3.1.1", "the type's address leads to a page that says what to do")
def _(visitor: Visitor) -> None:
    for answer in (visitor.client.get(UNUSED), visitor.client.get(f"{PROJECTS}?page_size=0")):
        page = visitor.anyone.get(httpx.URL(answer.json()["type"]).path)
        status_is(page, 200)
        expect(answer.json()["title"] in page.text, "the page does not have the title")


@rule("RFC 9457, 3.2", "values that break their rules are all named at once, each by a JSON pointer (RFC 6901)")
def _(visitor: Visitor) -> None:
    body = a_problem(_post(visitor, b'{"name": "", "labels": ["ok", 5], "visibility": "loud", "nothing": 1}'), 422)
    pointers = {error["pointer"] for error in body["errors"]}
    expect({"/name", "/labels/1", "/visibility", "/nothing"} <= pointers, f"named are {pointers}")


@rule("RFC 9110, 15.5.2", "a 401 says by WWW-Authenticate how to come in (RFC 6750, section 3)")
def _(visitor: Visitor) -> None:
    missing = visitor.anyone.get(PROJECTS)
    a_problem(missing, 401)
    challenge = missing.headers.get("www-authenticate", "")
    expect(challenge.startswith("Bearer "), f"WWW-Authenticate: {challenge}")
    expect("error=" not in challenge, "who sent no token is told of an error in it")
    for token in ("nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 5_000):
        bad = visitor.anyone.get(PROJECTS, headers={"Authorization": f"Bearer {token}"})
        a_problem(bad, 401)
        expect('error="invalid_token"' in bad.headers["www-authenticate"], "the challenge does not name the error")


@rule("RFC 9110, 15.5.6", "a 405 names by Allow what there is")
def _(visitor: Visitor) -> None:
    for method in ("PUT", "DELETE", "TRACE"):
        answer = visitor.client.request(method, PROJECTS)
        a_problem(answer, 405)
        allowed = set(answer.headers.get("allow", "").replace(" ", "").split(","))
        expect({"GET", "HEAD", "POST"} <= allowed, f"Allow: {allowed}")
        expect(method not in allowed, f"Allow names {method}")


@rule("RFC 9110, 9.3.7", "OPTIONS names by Allow what a resource takes")
def _(visitor: Visitor) -> None:
    answer = status_is(visitor.client.options(PROJECTS), 200, 204)
    allowed = set(answer.headers.get("allow", "").replace(" ", "").split(","))
    expect({"GET", "HEAD", "POST", "OPTIONS"} <= allowed, f"Allow: {allowed}")


@rule("RFC 9110, 9.3.2", "HEAD has the header of the GET and no content, in failure too")
def _(visitor: Visitor) -> None:
    changing = {"date", "x-request-id", "x-trace-id", "age", "server-timing"}
    for path in (visitor.new_project().path, f"{PROJECTS}?page_size=1", UNUSED, POSTS):
        full, head = visitor.client.get(path), visitor.client.head(path)
        expect(head.status_code == full.status_code, f"{path}: {head.status_code}, not {full.status_code}")
        expect(not head.content, f"{path}: it has content")
        names = {n for n in full.headers if n not in changing and "ratelimit" not in n}
        differing = {n for n in names if head.headers.get(n) != full.headers.get(n) and n != "content-length"}
        expect(not differing, f"{path}: {differing} differ")
        length = head.headers.get("content-length", full.headers.get("content-length"))
        expect(full.status_code >= httpx.codes.BAD_REQUEST or length == full.headers.get("content-length"), path)


@rule("RFC 9110, 15.5.14", "a body over the limit is 413, said by its length or found out while it comes")
def _(visitor: Visitor) -> None:
    large = b'"' + b"x" * (12 << 20) + b'"'
    for content in (large, (large[i : i + 65_536] for i in range(0, len(large), 65_536))):
        try:
            answer = visitor.client.post(PROJECTS, content=content, headers={**new_key(), **JSON})
        except (httpx.WriteError, httpx.RemoteProtocolError):
            continue  # refused before all was sent, and closed: as the section allows
        a_problem(answer, 413)


@rule("RFC 9110, 15.5.16", "a body of another type is 415, and Accept says which are taken (RFC 9110, section 12.5.1)")
def _(visitor: Visitor) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"):
        answer = _post(visitor, b"{}", **{"Content-Type": media_type})
        a_problem(answer, 415)
        expect("application/json" in answer.headers.get("accept", ""), f"Accept: {answer.headers.get('accept')}")
    made = visitor.new_project()
    patched = visitor.client.patch(made.path, content=b"[]", headers={"Content-Type": "application/json-patch+json"})
    a_problem(patched, 415)
    patches = patched.headers.get("accept-patch", "")
    expect("application/merge-patch+json" in patches, f"Accept-Patch (RFC 5789, section 3.1): {patches}")


@rule("RFC 8259, 2", "what is no JSON is 400: cut off, twice, NaN, a byte order mark, bad UTF-8, half a surrogate")
def _(visitor: Visitor) -> None:
    for content in (
        b"",
        b"{",
        b"{} {}",
        b'{"name": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": 1e999}',
        b"[" * 100_000,
        b"{'name': 'x'}",
    ):
        a_problem(_post(visitor, content), 400, 422)


@rule("RFC 7396, 2", "a merge patch changes what it names, and null removes or is refused")
def _(visitor: Visitor) -> None:
    made = visitor.new_project(description="stays", labels=["a"])
    headers = {"Content-Type": "application/merge-patch+json", "If-Match": made.etag}
    changed = status_is(visitor.client.patch(made.path, content=b'{"labels": ["b"]}', headers=headers), 200).json()
    expect((changed["labels"], changed["description"]) == (["b"], "stays"), f"it became {changed}")
    headers["If-Match"] = "*"
    nulled = visitor.client.patch(made.path, content=b'{"description": null}', headers=headers)
    status_is(nulled, 200, 422)
    if nulled.status_code == httpx.codes.OK:
        expect(not nulled.json()["description"], "null left it as it was")


@rule("RFC 9110, 10.1.1", "Expect: 100-continue is answered before the body, other expectations with 417 or nothing")
def _(visitor: Visitor) -> None:
    content = b'{"name": ""}'
    lines = ["Content-Type: application/json", f"Content-Length: {len(content)}", 'Idempotency-Key: "expects"']
    head = visitor.head("POST", PROJECTS, *lines, "Expect: 100-continue", "Connection: close")
    [answer] = visitor.raw(head + content)
    expect(answer.status == httpx.codes.UNPROCESSABLE_ENTITY, f"it gave {answer.status}")


@rule("RFC 3986, 2", "no spelling of a path reaches another resource or gives 5xx")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for path in (
        "/api/v1//projects",
        "/api/v1/./projects/../projects/%2e%2e/%2e%2e/metrics",
        "/api/v1/projects%2f" + made.path.rpartition("/")[2],
        "/api/v1/projects/%00",
        "/api/v1/projects/%ff%fe",
        "/api/v1/projects/..%2f..%2fmetrics",
        "/api/v1/projects;x=1",
        "/%61pi/v1/projects/%zz",
        "/" + "a" * 8_000,
    ):
        [answer] = visitor.raw(visitor.head("GET", path, "Connection: close"))
        expect(httpx.codes.BAD_REQUEST <= answer.status < math.inf, f"{path[:60]} gave {answer.status}")
        expect(answer.status < httpx.codes.INTERNAL_SERVER_ERROR, f"{path[:60]} gave {answer.status}")
        expect(b"# TYPE" not in answer.body, f"{path[:60]} gave metrics")
