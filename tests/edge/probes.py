"""Requests that two readers could take for different ones, as bytes: what a smuggler would send.

`WHO` stands for the header lines of somebody who is signed in, `HIDDEN` for a request behind or inside the first.
"""

from dataclasses import dataclass

POST = b"POST /api/v1/projects HTTP/1.1\r\nHost: x\r\nWHO\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
ENDED = b'11\r\n{"nome": "Probe"}\r\n0\r\n\r\n'
TWO_READINGS = b"\r\n\r\n0\r\n\r\nHIDDEN"
"""A body that ends before the hidden request, or with it, as one counts."""


@dataclass(frozen=True)
class Probe:
    """One of them; `hides` if the hidden request is inside of what the first one's framing leaves open."""

    name: str
    data: bytes
    hides: bool = False

    def sent(self, who: bytes, hidden: bytes) -> bytes:
        """Give the bytes, for somebody and with what they hide."""
        return self.data.replace(b"WHO", who).replace(b"HIDDEN", hidden)


LENGTHS = [
    Probe(f"length: {lines!r}", POST + lines + TWO_READINGS, hides=True)
    for lines in (
        b"Content-Length: 4\r\n" + CHUNKED,
        CHUNKED + b"\r\nContent-Length: 4",
        b"Content-Length: 0\r\n" + CHUNKED,
        b"Content-Length: 0\r\nContent-Length: 36",
        b"Content-Length: 36\r\nContent-Length: 36\r\nContent-Length: 0",
        b"Content-Length: 0, 36",
        b"Content-Length: 0\r\n 36",
        b"Content-Length: 3 6",
        b"Content-Length: 0\r36",
        b"Content-Length : 36",
        b"Content-Length\x00: 36",
        b"Content-Length:",
        *(b"Content-Length: " + odd for odd in (b"+36", b"-1", b"0x24", b"3_6", b"36.0", b"1e1", b"36;", b"\xb3")),
        b"Content-Length: " + b"9" * 30,
        b"Content-Length: 18446744073709551620",
    )
]

CODINGS = [
    Probe(f"coding: {lines!r}", POST + lines + TWO_READINGS, hides=True)
    for lines in (
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: chunked;q=1",
        b"Transfer-Encoding: 'chunked'",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding: chu\x00nked",
        b"Transfer-Encoding: \xa0chunked",
        b"Transfer-Encoding:",
        b"tRANSFER-eNCODING: cHUNKED\r\nContent-Length: 4",
        b"Transfer-Encoding:\tchunked\r\nContent-Length: 4",
        b"Transfer-Encoding: chunked \r\nContent-Length: 4",
        b"Transfer-Encoding: chunked\r\n  \r\nContent-Length: 4",
        b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 4",
        b"Transfer-Encoding: chun\rked\r\nContent-Length: 4",
        b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 4",
    )
] + [
    Probe(f"coding of HTTP/1.0: {more!r}", POST.replace(b"1.1", b"1.0") + CHUNKED + more + TWO_READINGS, hides=True)
    for more in (b"", b"\r\nContent-Length: 4")
]

CHUNKS = [
    Probe(f"chunk: {first[:24]!r}", POST + CHUNKED + b"\r\n\r\n" + first + b"0\r\n\r\nHIDDEN", hides=True)
    for first in (
        *(size + b"\r\n{}\r\n" for size in (b"zz", b"-1", b"+2", b"0x2", b" 2", b";", b"f" * 17, b"10000000000000002")),
        b"2\r\n{}XX",
        b"2\r\n{}\n",
        b"2\n{}\r\n",
        b"2\r{}\r\n",
        b"2;a\nb\r\n{}\r\n",
        b"2;a\rb\r\n{}\r\n",
        b"\r\n2\r\n{}\r\n",
    )
] + [
    Probe(f"last chunk: {last!r}", POST + CHUNKED + b"\r\n\r\n2\r\n{}\r\n" + last, hides=True)
    for last in (b"0\r\nX\r\n\r\nHIDDEN", b"0\r\nX : y\r\n\r\nHIDDEN", b"0\n\nHIDDEN", b"00\r\n\r\rHIDDEN")
]

HEADS = [
    Probe(f"line: {line[:24]!r}", b"GET /api/v1/projects HTTP/1.1\r\nHost: x\r\nWHO\r\n" + line + b"\r\n\r\nHIDDEN")
    for line in (
        b"no colon",
        b": nameless",
        b"X Thing: y",
        b"X-Thing : y",
        b"X-Thing\x00: y",
        b"X-Thing: a\x00b",
        b"X-Thing\x01: y",
        b"X(Thing): y",
        b"X\xc3\xa9: y",
        b"X-Thing\r: y",
        b"Host: y",
        b"host: x",
        b"\r\n".join(b"X-%d: y" % n for n in range(100_000)),
        b"X: " + b"y" * 100_000,
        b"X" * 100_000 + b": y",
    )
]

FIRST_LINES = [
    Probe(f"first line: {line[:40]!r}", line + b"\r\nWHO\r\n\r\nHIDDEN")
    for line in (
        b"GET /api/v1/projects",
        b"GET /api/v1/projects HTTP/0.9\r\nHost: x",
        b"GET /api/v1/projects HTTP/2.0\r\nHost: x",
        b"GET /api/v1/projects HTTP/1.10\r\nHost: x",
        b"GET /api/v1/projects http/1.1\r\nHost: x",
        b"GET /api/v1/projects HTTP/1.1",
        b"GET /api/v1/projects HTTP/1.1\r\nHost:",
        b"GET /api/v1/projects HTTP/1.1\r\nHost: a b",
        b"GET /api/v1/projects HTTP/1.1\r\nHost: a/b",
        b"GET /api/v1/projects HTTP/1.1\r\nHost: a@b",
        b"GET /api/v1/projects x HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects\rx HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects\x00 HTTP/1.1\r\nHost: x",
        b"G\x00T /api/v1/projects HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects HTTP/1.1\rHost: x\r",
        b"GET /api/v1/projects%2fx HTTP/1.1\r\nHost: x",
        b"GET /api/v1%2Fprojects HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects%5C.. HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects%00 HTTP/1.1\r\nHost: x",
        b"GET //api/v1/projects HTTP/1.1\r\nHost: x",
        b"GET /api//v1/projects HTTP/1.1\r\nHost: x",
        b"GET /api/v1/projects/../../../../etc/passwd HTTP/1.1\r\nHost: x",
        b"GET " + b"/a" * 50_000 + b" HTTP/1.1\r\nHost: x",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x:443",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    )
]

REFUSED = LENGTHS + CODINGS + CHUNKS + HEADS + FIRST_LINES

LIST = b"GET /api/v1/projects HTTP/1.1\r\nHost: x\r\nWHO\r\n"
UNDERSTOOD = [
    # What a recipient may forgive, since it can be read in one way only (RFC 9112, sections 2.2, 3, 5.2 and 7.1).
    Probe("lines that end in a bare LF", LIST.replace(b"\r\n", b"\n") + b"X: y\n\nHIDDEN"),
    Probe("a folded line", LIST + b"X: a\r\n b\r\n\r\nHIDDEN"),
    Probe("a bare CR in a value", LIST + b"X: a\rb\r\n\r\nHIDDEN"),
    Probe("an empty line before the first", b"\r\n" + LIST + b"\r\nHIDDEN"),
    Probe("two blanks", LIST.replace(b"GET ", b"GET  ") + b"\r\nHIDDEN"),
    Probe("a tab for a blank", LIST.replace(b"GET ", b"GET\t") + b"\r\nHIDDEN"),
    Probe("dot segments", LIST.replace(b"/api", b"/x/.././api") + b"\r\nHIDDEN"),
    Probe("an absolute target and another host", LIST.replace(b"/api", b"http://other.example/api") + b"\r\nHIDDEN"),
    Probe("a trailer with a length", POST + CHUNKED + b"\r\n\r\n" + ENDED[:-2] + b"Content-Length: 36\r\n\r\nHIDDEN"),
    Probe("a trailer with a coding", POST + CHUNKED + b"\r\n\r\n" + ENDED[:-2] + CHUNKED + b"\r\n\r\nHIDDEN"),
    Probe("a chunk's extension", POST + CHUNKED + b"\r\n\r\n" + ENDED.replace(b"11\r", b"11;a=b\r") + b"HIDDEN"),
    Probe(
        "a long one", POST + CHUNKED + b"\r\n\r\n" + ENDED.replace(b"11\r", b"11;" + b"x" * 500_000 + b"\r") + b"HIDDEN"
    ),
    Probe("NUL behind a size", POST + CHUNKED + b"\r\n\r\n" + ENDED.replace(b"11\r", b"11 \x00\r") + b"HIDDEN"),
    Probe("a size with zeros", POST + CHUNKED + b"\r\n\r\n" + b"0" * 100_000 + ENDED + b"HIDDEN"),
]
