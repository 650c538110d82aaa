"""RFC 9110, section 13: conditional requests."""

from typing import Any

from tests.conformance.http.kit import PROJECTS, Visitor, a_problem, expect, rule, status_is

OLD = "Wed, 21 Oct 2015 07:28:00 GMT"
SOURCE = "RFC 9110,"


@rule(f"{SOURCE} 8.8.3", "a GET carries a strong entity tag, the same while nothing changes")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    expect(made.etag.startswith('"') and made.etag.endswith('"'), f"ETag: {made.etag}")
    expect(visitor.client.get(made.path).headers["etag"] == made.etag, "a second GET has another tag")


@rule(f"{SOURCE} 8.8.3", "the tag moves when the content does, and comes with the answer to the change")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    changed = status_is(visitor.client.patch(made.path, json={"name": "New"}, headers={"If-Match": made.etag}), 200)
    expect(changed.headers.get("etag") not in (None, made.etag), "the change brought no new tag")
    expect(visitor.client.get(made.path).headers["etag"] == changed.headers["etag"], "the GET after it has another")


@rule(f"{SOURCE} 8.8.3.3", "two encodings of one content have two strong tags, and each is known when it comes back")
def _(visitor: Visitor) -> None:
    made = visitor.new_project(description="wordy " * 500)
    tags: dict[str, Any] = {}
    for encoding in ("identity", "gzip"):
        answer = status_is(visitor.client.get(made.path, headers={"Accept-Encoding": encoding}), 200)
        sent = answer.headers.get("content-encoding", "identity")
        if tags.setdefault(sent, answer.headers["etag"]) != answer.headers["etag"]:
            expect(False, f"two tags of {sent}")
        again = {"Accept-Encoding": encoding, "If-None-Match": answer.headers["etag"]}
        status_is(visitor.client.get(made.path, headers=again), 304)
    expect(len(set(tags.values())) == len(tags), f"encodings share a strong tag: {tags}")


@rule(f"{SOURCE} 13.1.1", "If-Match with the current tag, with it in a list, or `*` lets a change happen")
def _(visitor: Visitor) -> None:
    for wanted in ("{}", '"nothing", {}, "else"', '"nothing",{}', "*"):
        made = visitor.new_project()
        headers = {"If-Match": wanted.format(made.etag)}
        status_is(visitor.client.patch(made.path, json={"name": "New"}, headers=headers), 200)


@rule(f"{SOURCE} 13.1.1", "If-Match compares strongly: another tag, or the right one as a weak one, is 412")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for wanted in ('"nothing"', f"W/{made.etag}", f'"nothing", W/{made.etag}'):
        for method, body in (("PATCH", {"name": "New"}), ("DELETE", None)):
            answer = visitor.client.request(method, made.path, json=body, headers={"If-Match": wanted})
            a_problem(answer, 412)
    expect(visitor.client.get(made.path).json() == made.body, "the content moved")


@rule(f"{SOURCE} 13.1.1", "If-Match guards a GET too")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    a_problem(visitor.client.get(made.path, headers={"If-Match": '"nothing"'}), 412)
    status_is(visitor.client.get(made.path, headers={"If-Match": made.etag}), 200)


@rule(
    f"{SOURCE} 13.1.2",
    "If-None-Match compares weakly: the tag, weak or not, in a list too, or `*` is 304",
)
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for known in (made.etag, f"W/{made.etag}", f'"nothing", {made.etag}', f'W/"nothing",W/{made.etag}', "*"):
        for method in ("GET", "HEAD"):
            answer = status_is(visitor.client.request(method, made.path, headers={"If-None-Match": known}), 304)
            expect(not answer.content, "the 304 has content")
    status_is(visitor.client.get(made.path, headers={"If-None-Match": '"nothing"'}), 200)


@rule(f"{SOURCE} 13.1.2", "If-None-Match of what is there makes a change 412, not 304")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for known in (made.etag, "*"):
        answer = visitor.client.patch(made.path, json={"name": "New"}, headers={"If-None-Match": known})
        a_problem(answer, 412)


@rule(f"{SOURCE} 13.1.3", "If-Modified-Since is ignored beside If-None-Match, or without a date to compare with")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    both = {"If-None-Match": '"nothing"', "If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}
    status_is(visitor.client.get(made.path, headers=both), 200)
    read = visitor.client.get(made.path, headers={"If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"})
    status_is(read, *((304,) if "last-modified" in read.headers else (200,)))
    for nonsense in ("yesterday", "", "0"):
        status_is(visitor.client.get(made.path, headers={"If-Modified-Since": nonsense}), 200)


@rule(f"{SOURCE} 13.1.4", "If-Unmodified-Since is ignored beside If-Match")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    headers = {"If-Match": made.etag, "If-Unmodified-Since": OLD}
    status_is(visitor.client.patch(made.path, json={"name": "New"}, headers=headers), 200)


@rule(
    f"{SOURCE} 13.2.1",
    "a condition is not looked at where the request fails without it: 404, 401",
)
def _(visitor: Visitor) -> None:
    headers = {"If-Match": '"nothing"'}
    a_problem(visitor.client.get(f"{PROJECTS}/018f0000-0000-7000-8000-00000000dead", headers=headers), 404)
    made = visitor.new_project()
    a_problem(visitor.anyone.get(made.path, headers=headers), 401)
    a_problem(visitor.anyone.get(made.path, headers={"If-None-Match": made.etag}), 401)


@rule(f"{SOURCE} 13.2.2", "If-Match goes before If-None-Match: 412 although the other would say 304")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    a_problem(visitor.client.get(made.path, headers={"If-Match": '"nothing"', "If-None-Match": made.etag}), 412)
    status_is(visitor.client.get(made.path, headers={"If-Match": made.etag, "If-None-Match": made.etag}), 304)


@rule(f"{SOURCE} 15.4.5", "a 304 has ETag, Cache-Control, Vary and Date as the 200 had, and no content")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    full = visitor.client.get(made.path)
    answer = status_is(visitor.client.get(made.path, headers={"If-None-Match": made.etag}), 304)
    for name in ("etag", "cache-control", "vary", "content-location", "expires"):
        expect(answer.headers.get(name) == full.headers.get(name), f"{name}: {answer.headers.get(name)}")
    expect("date" in answer.headers, "it has no Date")
    expect("content-type" not in answer.headers, "it has a Content-Type")


@rule(f"{SOURCE} 13.1", "what is no list of entity tags is refused, not taken for one")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    for nonsense in ("nothing", '"open', "w/" + made.etag, f"{made.etag}, *", "*, *"):
        for name in ("If-Match", "If-None-Match"):
            a_problem(visitor.client.get(made.path, headers={name: nonsense}), 400)


@rule(f"{SOURCE} 13.1.2", "a list has a tag of its own for each filter, order and page, and is revalidated by it")
def _(visitor: Visitor) -> None:
    name = visitor.new_project().body["name"]
    visitor.new_project(name=f"{name} too")
    tags: dict[str, Any] = {}
    for query in ("page_size=1", "page_size=1&page=2", "page_size=2", f"page_size=1&text={name.split()[-1]}&page=2"):
        answer = status_is(visitor.client.get(f"{PROJECTS}?{query}"), 200)
        known = tags.setdefault(answer.headers["etag"], answer.content)
        expect(known == answer.content, f"two contents with the tag {answer.headers['etag']}")
        status_is(visitor.client.get(f"{PROJECTS}?{query}", headers={"If-None-Match": answer.headers["etag"]}), 304)


@rule("RFC 6585, 3", "where a change must be conditional, one without a condition is 428")
def _(visitor: Visitor) -> None:
    made = visitor.new_project()
    answer = visitor.client.delete(made.path)
    if answer.status_code != 204:
        a_problem(answer, 428)
        status_is(visitor.client.delete(made.path, headers={"If-Match": made.etag}), 204)
