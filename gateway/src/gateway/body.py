"""Reading a request's body: bounded while it streams, of the right media type, and strictly JSON."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection
from email.message import Message
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic_core import from_json
from starlette.types import Receive, Scope

from gateway.problems import Problem

JSON: Final = frozenset({"application/json"})
FORM: Final = "application/x-www-form-urlencoded"
JSON_OR_FORM: Final = JSON | {FORM}
"""For clients of OAuth 2.0, which send forms (RFC 6749, appendix B)."""
MERGE_PATCH: Final = frozenset({"application/json", "application/merge-patch+json"})
_FRACTION: Final = re.compile(rb"[0-9][.eE]")
_WHOLE: Final = 2**53
"""Below it a number is the same to all who read JSON (RFC 8259, section 6)."""

_LINGER_S: Final = 2.0
_LINGERED: Final = 16 * 1024 * 1024
"""Bytes of a body that is too large, read for the sake of the answer: clients of HTTP/2 wait until they may send on."""


class ClientGone(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


def has_body(scope: Scope) -> bool:
    """Whether the request has content (RFC 9112, section 6.3); one of length 0 is as good as none."""
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > 0


def is_form(scope: Scope) -> bool:
    """Whether the request's body is said to be a form."""
    content_type: bytes = dict(scope["headers"]).get(b"content-type", b"")
    return content_type.partition(b";")[0].strip().lower() == FORM.encode()


async def read_json(scope: Scope, receive: Receive, media_types: Collection[str], limit: int) -> Any:
    """Read the body as one JSON value (RFC 8259), or as a form where `media_types` says so, which becomes an object of
    texts; of a member that comes twice, the last counts, and 7.0 is the integer 7 (JSON Schema, section 6.1.1).

    Raises:
        Problem: wrong media type (415), more than `limit` bytes (413), or not JSON or a form (400).
        ClientGone: the client went away.
    """
    headers = dict(scope["headers"])
    _check_media_type(headers.get(b"content-type", b"").decode("latin-1"), media_types)
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Problem(
            "UNSUPPORTED_MEDIA_TYPE", "The body must not be compressed.", headers=[(b"accept-encoding", b"identity")]
        )
    content = await _read(scope, receive, limit)
    return _parse_form(content) if is_form(scope) else _parse(content)


async def read_parts(scope: Scope, receive: Receive, limit: int, most: int) -> AsyncIterator[bytes]:
    """Give the body as it comes, in parts of 1 to `most` bytes.

    Raises:
        Problem: more than `limit` bytes (413); the connection ends with the answer.
        ClientGone: the client went away.
    """
    left = limit - int(dict(scope["headers"]).get(b"content-length", b"0"))
    read = 0
    more = left >= 0
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        read += len(part)
        left = min(left, limit - read)
        if left < 0:
            break
        for start in range(0, len(part), most):
            yield part[start : start + most]
    if left < 0:
        await _linger(scope, receive, limit if more or not read else 0)
        problem = _too_large(limit)
        problem.headers.append((b"connection", b"close"))
        raise problem


async def _linger(scope: Scope, receive: Receive, most: int) -> None:
    """Read what a client goes on sending, for two seconds and `most` bytes at most (RFC 9112, section 9.6).

    Closed before, the connection would be reset, and the answer lost to a client that sends all before it reads. One
    that asked first (Expect: 100-continue) sends nothing.
    """
    if b"expect" in dict(scope["headers"]):
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while most > 0:
                message = await receive()
                most -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    if int(dict(scope["headers"]).get(b"content-length", b"0")) > limit:
        await _linger(scope, receive, _LINGERED)
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            if message.get("more_body", False):
                await _linger(scope, receive, _LINGERED)
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _parse_form(content: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(content.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise Problem("MALFORMED_BODY", "The form is not percent-encoded UTF-8.") from None


def _parse(content: bytes) -> Any:
    try:
        value = from_json(content, allow_inf_nan=False)
    except ValueError as fault:
        raise Problem("MALFORMED_BODY", f"The body is not valid JSON: {fault}.") from None
    return _integral(value) if _FRACTION.search(content) else value


def _integral(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _integral(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE else value


def _check_media_type(content_type: str, media_types: Collection[str]) -> None:
    message = Message()
    message["content-type"] = content_type
    charset = message.get_content_charset("utf-8") if content_type else "utf-8"
    if not content_type or message.get_content_type() not in media_types or charset not in {"utf-8", "utf8"}:
        taken = ", ".join(sorted(media_types)).encode()
        # RFC 9110, section 15.5.16; of a PATCH, RFC 5789, section 2.2.
        names = (b"accept", b"accept-patch") if media_types == MERGE_PATCH else (b"accept",)
        raise Problem(
            "UNSUPPORTED_MEDIA_TYPE",
            f"The body must be {' or '.join(sorted(media_types))} in UTF-8.",
            headers=[(name, taken) for name in names],
        )


def _too_large(limit: int) -> Problem:
    return Problem("CONTENT_TOO_LARGE", f"The body may have {limit:,} bytes.", threat="oversized")
