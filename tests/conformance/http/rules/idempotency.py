"""draft-ietf-httpapi-idempotency-key-header-07: a request that is repeated happens once."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from tests.conformance.http.kit import PROJECTS, Visitor, a_problem, expect, new_key, rule, status_is

SOURCE = "Idempotency-Key draft 07,"


@rule(f"{SOURCE} 2.7", "a key that is needed and missing, empty, too long or no string is 400")
def _(visitor: Visitor) -> None:
    for key in (None, "", '""', "unquoted!", "5", '"a", "b"', '"' + "x" * 256 + '"', '"open', "?1", ":YQ==:"):
        headers = {} if key is None else {"Idempotency-Key": key}
        a_problem(visitor.client.post(PROJECTS, json={"name": "Never"}, headers=headers), 400)


@rule(f"{SOURCE} 2.6", "a repetition has the first answer's content, tag and place, and says that it is one")
def _(visitor: Visitor) -> None:
    key = new_key()
    first = status_is(visitor.create(key), 201)
    again = status_is(visitor.create(key), 200, 201)
    expect(again.headers.get("idempotency-replayed") == "true", "it lacks Idempotency-Replayed: true")
    for name in ("etag", "location", "content-type"):
        expect(again.headers.get(name) == first.headers.get(name), f"{name} is another")
    expect(again.json() == first.json(), "its content is another")


@rule(f"{SOURCE} 2.7", "a key with another payload is 422")
def _(visitor: Visitor) -> None:
    key = new_key()
    status_is(visitor.create(key), 201)
    a_problem(visitor.create(key, name="Twice"), 422)


@rule(f"{SOURCE} 2.4", "the payload is compared as a value: order of members and white space do not count")
def _(visitor: Visitor) -> None:
    headers = {**new_key(), "Content-Type": "application/json"}
    first = status_is(visitor.create(headers, description="x"), 201)
    name = first.json()["name"].replace("e", "\\u0065")
    other = f' {{"description" : "x",\n "name": "{name}"}} '.encode()
    again = status_is(visitor.client.post(PROJECTS, content=other, headers=headers), 200, 201)
    expect(again.json() == first.json(), "it was done twice")


@rule(f"{SOURCE} 2.7", "twenty at once with one key: one effect; the others get its answer, or 409 with Retry-After")
def _(visitor: Visitor) -> None:
    key = new_key()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: visitor.create(key), range(20)))
    for answer in answers:
        status_is(answer, 200, 201, 409)
        if answer.status_code == 409:
            a_problem(answer, 409)
            expect(int(answer.headers["retry-after"]) >= 0, "the 409 lacks Retry-After")
    made = [answer for answer in answers if answer.status_code == 201]
    expect(len(made) == 1, f"{len(made)} answers of 201")
    done = {answer.json()["id"] for answer in answers if answer.status_code in (200, 201)}
    expect(len(done) == 1, f"{len(done)} things were made")


@rule(f"{SOURCE} 2.3", "a key is one route's: used on another, it is a new one there")
def _(visitor: Visitor) -> None:
    key = new_key()
    first = status_is(visitor.create(key), 201)
    path = httpx.URL(first.headers["location"]).path
    changed = visitor.client.patch(path, json={"name": "Changed"}, headers={**key, "If-Match": first.headers["etag"]})
    status_is(changed, 200)
    expect("idempotency-replayed" not in changed.headers, "it was taken for a repetition")


@rule(f"{SOURCE} 2.7", "what failed is not remembered: the same key with the mended payload is decided anew")
def _(visitor: Visitor) -> None:
    key = new_key()
    a_problem(visitor.create(key, name=""), 422)
    status_is(visitor.create(key), 201)


@rule(f"{SOURCE} 2.6", "a repeated change is answered as the first was, though its If-Match is stale by now")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    headers = {**new_key(), "If-Match": made.etag}
    first = status_is(visitor.client.patch(made.path, json={"name": "Changed"}, headers=headers), 200)
    again = status_is(visitor.client.patch(made.path, json={"name": "Changed"}, headers=headers), 200)
    expect(again.headers["etag"] == first.headers["etag"], "it was done twice")
    expect(again.headers.get("idempotency-replayed") == "true", "it lacks Idempotency-Replayed: true")


@rule(f"{SOURCE} 2.6", "a repeated removal is answered as the first was, and its create too after the thing is gone")
def _(visitor: Visitor) -> None:
    key, removal = new_key(), new_key()
    first = status_is(visitor.create(key), 201)
    path, headers = httpx.URL(first.headers["location"]).path, {**removal, "If-Match": first.headers["etag"]}
    for _ in range(2):
        status_is(visitor.client.delete(path, headers=headers), 204)
    a_problem(visitor.client.get(path), 404)
    again = status_is(visitor.create(key), 200, 201)
    expect(again.json() == first.json(), "the create was done again")


@rule("RFC 6750, 3.1", "a repetition without a valid token is 401, not the answer")
def _(visitor: Visitor) -> None:
    key = new_key()
    status_is(visitor.create(key), 201)
    a_problem(visitor.anyone.post(PROJECTS, json={"name": "Conformance"}, headers=key), 401)
