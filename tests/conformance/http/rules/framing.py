"""RFC 9112: one message is one message, whoever reads it."""

import httpx
from tests.conformance.http.kit import PROJECTS, RawAnswer, Visitor, expect, rule

POISON = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
OK = range(200, 300)


def _refused(visitor: Visitor, sent: bytes, what: str) -> list[RawAnswer]:
    """Give the answers to bytes that must be refused, or whose connection must be closed without one."""
    answers = visitor.raw(sent, answers=3)
    expect(len(answers) <= 1, f"{what}: {len(answers)} answers to one message")
    for answer in answers:
        expect(answer.status not in OK, f"{what} gave {answer.status}")
        expect(answer.status < httpx.codes.INTERNAL_SERVER_ERROR or answer.status == httpx.codes.NOT_IMPLEMENTED, what)
        expect(b"# TYPE" not in answer.body, f"{what}: the smuggled request was answered")
    return answers


@rule("RFC 9112, 6.1", "Content-Length and Transfer-Encoding together are refused, or the connection is closed after")
def _(visitor: Visitor) -> None:
    for first, second in (
        ("Content-Length: 4", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 4"),
    ):
        head = visitor.head("POST", PROJECTS, "Content-Type: application/json", first, second)
        _refused(visitor, head + b"0\r\n\r\n" + POISON, f"{first}, {second}")


@rule("RFC 9112, 6.1", "no spelling of Transfer-Encoding hides it")
def _(visitor: Visitor) -> None:
    for line in (
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "X: y\nTransfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
    ):
        head = visitor.head("POST", PROJECTS, "Content-Type: application/json", "Content-Length: 4", line)
        _refused(visitor, head + b"0\r\n\r\n" + POISON, repr(line))


@rule("RFC 9112, 6.3", "two lengths, or one that is no number, are refused")
def _(visitor: Visitor) -> None:
    for lines in (
        ("Content-Length: 0", "Content-Length: 36"),
        ("Content-Length: 0, 36",),
        ("Content-Length: +36",),
        ("Content-Length: 0x24",),
        ("Content-Length: -1",),
        ("Content-Length: 3 6",),
        ("Content-Length: 99999999999999999999999",),
    ):
        head = visitor.head("POST", PROJECTS, "Content-Type: application/json", *lines)
        _refused(visitor, head + POISON, repr(lines))


@rule("RFC 9112, 7.1", "a chunk that is no chunk ends the connection")
def _(visitor: Visitor) -> None:
    head = visitor.head("POST", PROJECTS, "Content-Type: application/json", "Transfer-Encoding: chunked")
    for chunk in (b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b"ffffffffffffffffff\r\n{}"):
        _refused(visitor, head + chunk + POISON, repr(chunk))


@rule("RFC 9112, 5", "white space before a colon, and control characters, are refused")
def _(visitor: Visitor) -> None:
    for line in ("X-Thing : y", "X-Thing: a\x00b", "X Thing: y", ": nameless", "X-Thing\x01: y"):
        answers = _refused(visitor, visitor.head("GET", PROJECTS, line), repr(line))
        expect(not answers or answers[0].status == httpx.codes.BAD_REQUEST, f"{line!r} gave {answers[:1]}")


@rule("RFC 9112, 3.2", "a request names its host once")
def _(visitor: Visitor) -> None:
    for lines in ((), ("Host: a", "Host: b"), ("Host: a b",), ("Host: a/b",)):
        _refused(visitor, visitor.head("GET", PROJECTS, *lines, host=False), f"Host {lines}")


@rule("RFC 9112, 3", "what is no request line is refused")
def _(visitor: Visitor) -> None:
    for line in (
        b"GET  / HTTP/1.1",
        b"GET /",
        b"GET / HTTP/9.9",
        b"G\x00T / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"\x16\x03\x01\x02\x00",
    ):
        _refused(visitor, line + b"\r\nHost: x\r\n\r\n", repr(line))


@rule("RFC 6585, 5", "too many headers, or too large ones, are 431 or close the connection")
def _(visitor: Visitor) -> None:
    for lines in ([f"X-{n}: y" for n in range(100_000)], ["X-Large: " + "y" * 100_000], ["X-" + "y" * 70_000 + ": z"]):
        for answer in _refused(visitor, visitor.head("GET", PROJECTS, *lines), f"{len(lines)} headers"):
            expect(answer.status in (400, 413, 431), f"{len(lines)} headers gave {answer.status}")


@rule("RFC 9112, 9.3", "requests on one connection are answered in their order, each its own")
def _(visitor: Visitor) -> None:
    paths = [PROJECTS, "/no/such/path", f"{PROJECTS}?page_size=1", f"{PROJECTS}?page_size=0"]
    sent = b"".join(visitor.head("GET", path, f"X-Request-Id: line-{n}") for n, path in enumerate(paths))
    answers = visitor.raw(sent, answers=len(paths))
    expect([a.status for a in answers] == [200, 404, 200, 422], f"they gave {[a.status for a in answers]}")
    named = [a.headers.get("x-request-id") for a in answers]
    expect(named == [f"line-{n}" for n in range(len(paths))], f"they were for {named}")


@rule("RFC 9112, 7.1.1", "chunk extensions are ignored or refused, however long")
def _(visitor: Visitor) -> None:
    lines = ["Content-Type: application/json", "Transfer-Encoding: chunked", 'Idempotency-Key: "extended"']
    for extension in (b";a=b", b";" + b"x" * 60_000):
        sent = visitor.head("POST", PROJECTS, *lines) + b"2" + extension + b"\r\n{}\r\n0\r\n\r\n"
        _refused(visitor, sent, f"an extension of {len(extension)}")
