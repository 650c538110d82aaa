"""The few HTTP requests that the stack sends to itself, by the standard library: what stays resident stays small."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

TIMEOUT_SECONDS = 10


def request(
    method: str,
    url: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    authority: Path | None = None,
) -> tuple[int | None, Any]:
    """The status of the answer and its JSON (None where it is none); no status where nothing answers.

    Over TLS the server is to have a certificate of `authority`.
    """
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "localhost", parts.port, timeout=TIMEOUT_SECONDS)
    if parts.scheme == "https":
        trust = ssl.create_default_context(cafile=authority)
        connection = http.client.HTTPSConnection(
            parts.hostname or "localhost", parts.port, timeout=TIMEOUT_SECONDS, context=trust
        )
    sent = dict(headers or {})
    if body is not None:
        sent["Content-Type"] = "application/json"
    try:
        connection.request(method, parts.path, None if body is None else json.dumps(body), sent)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        return None, None
    finally:
        connection.close()
    return answer.status, json.loads(content) if "json" in (answer.getheader("Content-Type") or "") else None


def answers(url: str) -> Callable[[], Awaitable[bool]]:
    """A question whether a GET of `url` succeeds now."""

    async def ask() -> bool:
        status, _ = await asyncio.to_thread(request, "GET", url)
        return status == http.client.OK

    return ask
