"""What a route answers, and how it goes out: tag, compression, preconditions of reads, and the headers that belong."""

import zlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from gateway.conditional import GZIP_SUFFIX, Outcome, Preconditions
from gateway.problems import Problem

MEDIA_TYPE: Final = "application/json"
_WORTH_COMPRESSING: Final = 1_024
"""Smaller bodies fit into one packet anyway."""

_FAST: Final = 3
_GZIP: Final = 16 + zlib.MAX_WBITS

Headers = list[tuple[bytes, bytes]]

PRIVATE: Final[Headers] = [(b"cache-control", b"private, no-cache")]
"""What somebody in particular gets."""
ANY_ORIGIN: Final[Headers] = [
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
]
"""What nobody in particular gets, any page may show: a badge, a feed."""


@dataclass(slots=True)
class Answer:
    """A route's answer: JSON in `body` and the strong tag of what it shows; `unchanged` instead of a body that the
    client has already.
    """

    body: bytes = b""
    tag: str | None = None
    status: HTTPStatus = HTTPStatus.OK
    location: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    replayed: bool = False
    unchanged: bool = False
    media_type: str = MEDIA_TYPE
    cookies: tuple[bytes, ...] = ()
    """Values of Set-Cookie (RFC 6265); only a write has any."""
    download: "Download | None" = None
    packed: bytes | None = field(default=None, init=False)
    """The body compressed, once that was done: an answer of the cache goes out many times."""


@dataclass(slots=True)
class Download:
    """A file in place of JSON: its parts as they come, their size together in bytes, its media type and its name."""

    parts: AsyncGenerator[bytes, None]
    size: int
    media_type: str
    filename: str

    def headers(self) -> Headers:
        """Say what it is, and that it is to be saved, never shown as part of a page (RFC 6266, RFC 8187)."""
        plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in self.filename)
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.filename, safe='')}"
        return [
            (b"content-type", self.media_type.encode("latin-1")),
            (b"content-length", b"%d" % self.size),
            (b"content-disposition", disposition.encode("latin-1")),
        ]


def tag_of(body: bytes) -> str:
    """Give the tag of a representation that has no version: a hash of its bytes."""
    return blake2b(body, digest_size=16).hexdigest()


def read(
    answer: Answer, preconditions: Preconditions, *, gzip: bool, kept: Headers = PRIVATE
) -> tuple[HTTPStatus, Headers, bytes]:
    """Give status, headers and body of a GET or HEAD; `kept` says who may keep it and where it comes from (RFC 9111).

    Raises:
        Problem: VERSION_MISMATCH, when If-Match does not hold.
    """
    headers: Headers = [(b"vary", b"Authorization, Accept-Encoding"), *kept]
    if answer.tag is not None:
        outcome = Outcome.NOT_MODIFIED if answer.unchanged else preconditions.of_read(answer.tag, gzip_accepted=gzip)
        if outcome is Outcome.FAILED:
            raise Problem("VERSION_MISMATCH", "The resource is not in the state that If-Match names.")
        if outcome is Outcome.NOT_MODIFIED:
            compressed = gzip and len(answer.body) >= _WORTH_COMPRESSING
            form = preconditions.known_form(answer.tag, gzip_accepted=gzip) or _form(answer.tag, gzip=compressed)
            headers.append((b"etag", _quoted(form)))
            return HTTPStatus.NOT_MODIFIED, headers, b""
    if answer.links:
        links = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in answer.links.items())
        headers.append((b"link", links.encode("latin-1")))
    return HTTPStatus.OK, headers, _encode(answer, headers, gzip=gzip)


def written(answer: Answer, *, gzip: bool) -> tuple[HTTPStatus, Headers, bytes]:
    """Give status, headers and body of what a write answers; a repetition is 200, whatever the first was."""
    headers: Headers = [(b"cache-control", b"no-store"), (b"vary", b"Authorization, Accept-Encoding")]
    status = answer.status
    headers += [(b"set-cookie", cookie) for cookie in answer.cookies]
    if answer.location is not None:
        headers.append((b"location", answer.location.encode("latin-1")))
    if answer.replayed:
        headers.append((b"idempotency-replayed", b"true"))
        if status is not HTTPStatus.NO_CONTENT:
            status = HTTPStatus.OK
    if status is HTTPStatus.NO_CONTENT:
        return status, headers, b""
    return status, headers, _encode(answer, headers, gzip=gzip)


def _encode(answer: Answer, headers: Headers, *, gzip: bool) -> bytes:
    """Compress the body where that pays, and add the headers that describe it."""
    if answer.download is not None:
        headers += [(b"etag", _quoted(answer.tag or "")), *answer.download.headers()]
        return b""
    body = answer.body
    compressed = gzip and len(body) >= _WORTH_COMPRESSING
    if compressed:
        if answer.packed is None:
            packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
            answer.packed = packer.compress(body) + packer.flush()
        body = answer.packed
        headers.append((b"content-encoding", b"gzip"))
    if answer.tag is not None:
        headers.append((b"etag", _quoted(_form(answer.tag, gzip=compressed))))
    headers.append((b"content-type", answer.media_type.encode()))
    headers.append((b"content-length", b"%d" % len(body)))
    return body


def _form(tag: str, *, gzip: bool) -> str:
    return tag + GZIP_SUFFIX if gzip else tag


def _quoted(tag: str) -> bytes:
    return b'"' + tag.encode("latin-1") + b'"'


def accepts_gzip(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body may be sent with gzip (RFC 9110, section 12.5.3)."""
    return _accepts_gzip(b",".join([value for name, value in headers if name == b"accept-encoding"]))


@lru_cache(maxsize=256)
def _accepts_gzip(accept_encoding: bytes) -> bool:
    weights: dict[str, float] = {}
    for element in accept_encoding.decode("latin-1").lower().split(","):
        coding, _, parameter = element.partition(";")
        name, _, weight = parameter.partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0
