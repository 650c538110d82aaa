"""Lists: pages, cursors and links."""

import re

from tests.conformance.http.kit import PROJECTS, Visitor, a_problem, expect, rule, status_is


@rule("RFC 8288, 3", "a page links to the next and the one before, and these links lead there")
def _(visitor: Visitor) -> None:
    for _ in range(3):
        visitor.new_project()
    first = status_is(visitor.client.get(f"{PROJECTS}?page_size=1"), 200)
    following = visitor.client.get(_link(first.headers["link"], "next"))
    expect(following.json()["items"] != first.json()["items"], "the next page is the first")
    back = visitor.client.get(_link(following.headers["link"], "prev"))
    expect(back.json()["items"] == first.json()["items"], "the page before the second is not the first")


def _link(value: str, relation: str) -> str:
    found = re.search(rf'<([^>]*)>; rel="{relation}"', value)
    expect(found, f"no link {relation!r} in {value}")
    return found[1] if found else ""


@rule("RFC 8288, 3", "following the links, every row comes exactly once, with writes in between too")
def _(visitor: Visitor) -> None:
    wanted = [visitor.new_project(labels=["conformance-walk"]).body["id"] for _ in range(5)]
    seen: list[str] = []
    path: str | None = f"{PROJECTS}?label=conformance-walk&page_size=2"
    while path:
        page = status_is(visitor.client.get(path), 200)
        seen += [item["id"] for item in page.json()["items"]]
        path = _link(page.headers["link"], "next") if 'rel="next"' in page.headers.get("link", "") else None
        visitor.new_project(labels=["conformance-walk"])
    expect(len(set(seen)) == len(seen), "a row came twice")
    expect(set(wanted) <= set(seen), "a row was left out")


@rule("RFC 9110, 15.5.1", "a cursor that is broken, or of another filter or order, is refused")
def _(visitor: Visitor) -> None:
    for _ in range(2):
        visitor.new_project()
    cursor = visitor.client.get(f"{PROJECTS}?page_size=1").json()["next_cursor"]
    for query in ("cursor=nonsense", f"cursor={cursor[:-4]}AAAA", f"status=archived&cursor={cursor}", "cursor=%00"):
        a_problem(visitor.client.get(f"{PROJECTS}?page_size=1&{query}"), 400, 422)


@rule("RFC 9110, 15.5.21", "a page or size out of bounds, an unknown parameter or one given twice is refused")
def _(visitor: Visitor) -> None:
    for query in (
        "page=0",
        "page=-1",
        "page=x",
        "page_size=101",
        "page_size=1e2",
        "page=99999999999999999999",
        "statsu=active",
        "page=1&page=2",
    ):
        a_problem(visitor.client.get(f"{PROJECTS}?{query}"), 400, 422)
