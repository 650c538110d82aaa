"""What the rules are written with: a visitor of an API, a bare connection to it, and the register of rules."""

import json
import re
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_S = 15
FURTHER_S = 2
"""How long further answers on a connection are waited for: they come with the first or not at all."""
CREATED = 201
PROJECTS = "/api/v1/projects"
POSTS = "/api/v1/community/posts"


class Broken(Exception):
    """A rule does not hold; says what came instead."""


class NotHere(Exception):
    """A rule says nothing about this installation; says why."""


@dataclass(frozen=True)
class Rule:
    """One rule: where it stands, what it says, and how it is tried."""

    source: str
    says: str
    holds: Callable[["Visitor"], None]

    @property
    def name(self) -> str:
        """Source and text, as a test is called."""
        return f"{self.source}: {self.says}"


RULES: list[Rule] = []


def rule(source: str, says: str) -> Callable[[Callable[["Visitor"], None]], Callable[["Visitor"], None]]:
    """Register a function as the trial of a rule; `source` is a document and its section."""

    def registered(holds: Callable[["Visitor"], None]) -> Callable[["Visitor"], None]:
        RULES.append(Rule(source, says, holds))
        return holds

    return registered


def expect(condition: object, otherwise: str) -> None:
    """Raise Broken unless a condition holds."""
    if not condition:
        raise Broken(otherwise)


def status_is(answer: httpx.Response, *expected: int) -> httpx.Response:
    """Give the answer if it has one of these statuses."""
    asked = f"{answer.request.method} {answer.request.url.raw_path.decode()}"
    expect(
        answer.status_code in expected,
        f"{asked} gave {answer.status_code}, not {' or '.join(map(str, expected))}: {answer.text[:200]}",
    )
    return answer


def a_problem(answer: httpx.Response, *expected: int) -> Mapping[str, Any]:
    """Give the members of a problem with one of these statuses (RFC 9457, section 3.1)."""
    status_is(answer, *expected)
    media_type = answer.headers.get("content-type", "")
    expect(media_type == "application/problem+json", f"a {answer.status_code} of type {media_type!r}")
    body: dict[str, Any] = answer.json()
    expect(body.get("status") == answer.status_code, f"the member `status` is {body.get('status')!r}")
    for member in ("type", "title", "detail", "instance"):
        expect(isinstance(body.get(member), str) and body[member], f"the problem lacks `{member}`: {body}")
    return body


def new_key() -> dict[str, str]:
    """Give a header with a key that nobody used."""
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


@dataclass(frozen=True)
class Made:
    """A project that was made for a rule."""

    path: str
    etag: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class RawAnswer:
    """What came over a bare connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Patient(httpx.HTTPTransport):
    """Waits as long as a 429 says, and asks again: quotas are no matter of any rule but those of limits."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            answer = super().handle_request(request)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or not isinstance(request.stream, httpx.ByteStream):
                return answer
            answer.close()
            time.sleep(float(answer.headers["retry-after"]))


class Visitor:
    """Somebody who uses the API at `url` with a token, and leaves nothing behind."""

    def __init__(self, url: str, token: str) -> None:
        self.url = httpx.URL(url)
        self.token = token
        options: dict[str, Any] = {"base_url": url, "timeout": TIMEOUT_S, "transport": _Patient(trust_env=False)}
        self.anyone = httpx.Client(**options)
        self.client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, **options)
        self._made: list[str] = []

    def close(self) -> None:
        """Delete what was made."""
        for path in self._made:
            self.client.delete(path, headers={"If-Match": "*"})
        self.client.close()
        self.anyone.close()

    def create(self, key: Mapping[str, str], **fields: Any) -> httpx.Response:
        """Ask for a project to be made, under a key; without other fields, the same for the same key."""
        body = {"name": f"Conformance {key['Idempotency-Key'][1:9]}"} | fields
        answer = self.client.post(PROJECTS, json=body, headers=key)
        if answer.status_code == CREATED:
            self._made.append(httpx.URL(answer.headers["location"]).path)
        return answer

    def new_project(self, **fields: Any) -> Made:
        """Make a project, and give it as it was read."""
        path = httpx.URL(status_is(self.create(new_key(), **fields), CREATED).headers["location"]).path
        read = status_is(self.client.get(path), 200)
        return Made(path, read.headers["etag"], read.json())

    def raw(self, sent: bytes, *, answers: int = 1) -> list[RawAnswer]:
        """Send bytes as they are over one connection, and give up to so many answers; none where it was closed."""
        with self._connected() as connection:
            connection.sendall(sent)
            connection.settimeout(TIMEOUT_S)
            return list(_read(connection, answers))

    def head(self, method: str = "GET", path: str = PROJECTS, *lines: str, host: bool = True) -> bytes:
        """Give the head of a request with these further header lines, ready to be sent with `raw`."""
        written = [f"{method} {path} HTTP/1.1", *([f"Host: {self._authority}"] if host else [])]
        written += [f"Authorization: Bearer {self.token}", *lines]
        return ("\r\n".join(written) + "\r\n\r\n").encode("latin-1")

    @property
    def _authority(self) -> str:
        return self.url.netloc.decode()

    def _connected(self) -> socket.socket:
        secure = self.url.scheme == "https"
        connection = socket.create_connection((self.url.host, self.url.port or (443 if secure else 80)), TIMEOUT_S)
        if secure:
            return ssl.create_default_context().wrap_socket(connection, server_hostname=self.url.host)
        return connection


def _read(connection: socket.socket, most: int) -> Iterator[RawAnswer]:
    received = b""
    while most > 0:
        while b"\r\n\r\n" not in received:
            if not (more := _more(connection)):
                return
            received += more
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status == 100:
            continue
        length = int(headers.get("content-length", 0))
        chunked = "chunked" in headers.get("transfer-encoding", "")
        while not (received.endswith(b"0\r\n\r\n") if chunked else len(received) >= length):
            if not (more := _more(connection)):
                break
            received += more
        body, received = (received, b"") if chunked else (received[:length], received[length:])
        yield RawAnswer(status, headers, body)
        most -= 1
        connection.settimeout(FURTHER_S)


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except (TimeoutError, ConnectionError):
        return b""


def structured(value: str) -> dict[str, str]:
    """Give the parameters of a structured field's only member, such as `"reads";r=9;t=1`."""
    return dict(part.partition("=")[::2] for part in re.split(r";\s*", value)[1:])


def as_json(value: object) -> bytes:
    """Write JSON in UTF-8."""
    return json.dumps(value).encode()
