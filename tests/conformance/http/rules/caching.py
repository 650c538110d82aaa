"""RFC 9111: who may keep an answer, and for how long."""

from tests.conformance.http.kit import POSTS, PROJECTS, Visitor, expect, rule, status_is

STATUS = "/api/v1/status"


def directives(value: str) -> dict[str, str]:
    """Give the directives of a Cache-Control."""
    parts = (part.strip().partition("=") for part in value.lower().split(",") if part.strip())
    return {name: argument.strip('"') for name, _, argument in parts}


@rule("RFC 9111, 5.2.2.7", "what a person reads is private, and asked for again each time")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for path in (made.path, PROJECTS, POSTS):
        said = directives(status_is(visitor.client.get(path), 200).headers.get("cache-control", ""))
        expect("public" not in said, f"{path} is public to who is signed in")
        expect("no-store" in said or {"private", "no-cache"} <= said.keys(), f"{path}: {said}")


@rule("RFC 9111, 5.2.2.9", "what anyone may read says for how long it may be kept")
def _(visitor: Visitor) -> None:
    for path in (POSTS, STATUS):
        said = directives(status_is(visitor.anyone.get(path), 200).headers.get("cache-control", ""))
        expect("public" in said and int(said.get("max-age", -1)) >= 0, f"{path}: {said}")
        expect(int(said["max-age"]) <= 300, f"{path} may be kept for {said['max-age']} s")


@rule("RFC 9110, 12.5.5", "Vary names what an answer depends on: who asks, the encoding")
def _(visitor: Visitor) -> None:
    for client, path in ((visitor.client, PROJECTS), (visitor.anyone, POSTS)):
        vary = {name.strip().lower() for name in client.get(path).headers.get("vary", "").split(",")}
        expect({"authorization", "accept-encoding"} <= vary, f"{path}: Vary: {vary}")


@rule("RFC 9111, 3.5", "what one who is signed in gets does not come from what anyone got, nor the other way")
def _(visitor: Visitor) -> None:
    for _ in range(3):
        public = visitor.anyone.get(POSTS)
        mine = visitor.client.get(POSTS)
        expect("public" in public.headers["cache-control"], "anyone got what was for somebody")
        expect("public" not in mine.headers["cache-control"], "somebody got what was for anyone")
        expect("age" not in mine.headers, "somebody's answer comes from a cache")


@rule("RFC 9111, 5.2.2.5", "no refusal may be kept")
def _(visitor: Visitor) -> None:
    for answer in (visitor.anyone.get(PROJECTS), visitor.client.get("/no/such/path"), visitor.client.put(PROJECTS)):
        said = directives(answer.headers.get("cache-control", ""))
        expect("no-store" in said or "no-cache" in said, f"a {answer.status_code} says {said}")


@rule("RFC 9111, 4.2.3", "what comes from a cache says by Age how old it is, and is not kept beyond max-age")
def _(visitor: Visitor) -> None:
    for _ in range(3):
        answer = status_is(visitor.anyone.get(STATUS), 200)
        said = directives(answer.headers["cache-control"])
        age = int(answer.headers.get("age", 0))
        stale = {"stale-while-revalidate", "stale-if-error"} & said.keys()
        expect(stale or age <= int(said["max-age"]), f"Age: {age}, though {said}")


@rule("RFC 9110, 6.6.1", "an answer has one Date, in the form of HTTP")
def _(visitor: Visitor) -> None:
    dates = visitor.client.get(PROJECTS).headers.get_list("date")
    expect(len(dates) == 1 and dates[0].endswith(" GMT"), f"Date: {dates}")
