"""What REDbot is shown of the API: each kind of answer that it has, to who is signed in and to anyone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
from tests.conformance.http.kit import POSTS, PROJECTS, Visitor, new_key, status_is

TICKETS = "/api/v1/support/tickets"
PUBLIC = (
    POSTS,
    "/api/v1/community/feed.atom",
    "/api/v1/status",
    "/api/v1/status/badge.svg",
    "/api/v1/status/feed.atom",
    "/api/v1/status/incidents",
    "/api/v2/summary.json",
)
"""What anyone may read; who is signed in gets it past all caches."""
PAGES = ("/api/v1/auth/jwks.json", "/docs", "/health", "/openapi.json", "/problems/not-found", "/ready")
JSON = {"Content-Type": "application/json"}
GZIP = {"Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class Asked:
    """One request: the status of the answer that it is for, who sends it, and what."""

    status: int
    path: str
    method: str = "GET"
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: str = ""

    @property
    def by(self) -> str:
        """Who sends it."""
        return "with a token" if self.token else "anyone"

    @property
    def all_headers(self) -> Mapping[str, str]:
        """The headers, with the token."""
        return ({"Authorization": f"Bearer {self.token}"} if self.token else {}) | self.headers


def questions(visitor: Visitor) -> Iterator[Asked]:
    """Make what is to be looked at, and give the requests in the order in which they must be sent."""
    token = visitor.token
    for path in PUBLIC:
        yield Asked(200, path)
        yield Asked(200, path, "HEAD")
        yield Asked(200, path, headers=GZIP)
        yield Asked(200, path, token=token)
    for path in PAGES:
        yield Asked(200, path)
    project = visitor.new_project()
    for path in (PROJECTS, f"{PROJECTS}?page_size=1", project.path, *_ticket(visitor)):
        yield Asked(401, path)
        yield Asked(200, path, token=token)
        yield Asked(200, path, "HEAD", token)
        yield Asked(200, path, token=token, headers=GZIP)
    yield from _refused(project.path, token)
    yield Asked(200, POSTS, headers={"Origin": "https://elsewhere.example"})
    yield Asked(204, PROJECTS, "OPTIONS", token)
    yield Asked(304, project.path, token=token, headers={"If-None-Match": project.etag})
    yield Asked(200, project.path, "PATCH", token, JSON, '{"description": "As REDbot saw it"}')
    yield Asked(204, project.path, "DELETE", token, new_key())
    yield Asked(404, project.path, token=token)


def _refused(project: str, token: str) -> Iterator[Asked]:
    yield Asked(404, "/no/such/page")
    yield Asked(401, PROJECTS, token="no.such.token")
    yield Asked(405, PROJECTS, "PUT", token)
    yield Asked(422, f"{PROJECTS}?colour=red", token=token)
    yield Asked(400, f"{PROJECTS}?cursor=none", token=token)
    yield Asked(400, PROJECTS, "POST", token, JSON, '{"name": "Without a key"}')
    yield Asked(415, PROJECTS, "POST", token, {"Content-Type": "text/plain"} | new_key(), "name")
    yield Asked(422, PROJECTS, "POST", token, JSON | new_key(), '{"name": ""}')
    yield Asked(412, project, "PATCH", token, JSON | {"If-Match": '"none"'}, '{"name": "Nowhere"}')


def _ticket(visitor: Visitor) -> tuple[str, ...]:
    """Open a ticket with a file, and give its path, that of its messages and that of the file."""
    told = {"subject": "How REDbot sees a file", "body": "It is attached; this ticket may be closed."}
    opened = status_is(visitor.client.post(TICKETS, json=told, headers=new_key()), 201)
    path = httpx.URL(opened.headers["location"]).path
    (message,) = status_is(visitor.client.get(f"{path}/messages"), 200).json()["items"]
    sent = visitor.client.post(
        f"{path}/messages/{message['id']}/attachments?filename=letters.txt",
        content="abcdefghij\n" * 400,
        headers={"Content-Type": "text/plain; charset=utf-8"},
    )
    return path, f"{path}/messages", httpx.URL(status_is(sent, 201).headers["location"]).path
