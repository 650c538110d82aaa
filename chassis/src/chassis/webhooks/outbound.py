"""An HTTP client for URLs that strangers choose: it cannot be turned inward, held up, or flooded.

The address that is connected to is the one that was checked: a name is resolved once per connection, every address it
has is checked, and the connection goes to such an address itself, while Host and TLS keep the name. So a name that
resolves to something else a moment later gains nothing. A connection serves one request. Redirects are not followed,
answers are not decompressed, and no proxy is taken from the environment.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any, Final, Protocol

import httpcore

from chassis.webhooks.addresses import Address, Network, why_refused
from chassis.webhooks.urls import Target, literal_address

# At DEBUG it would write down URLs, in which receivers keep secrets, and signatures.
logging.getLogger("httpcore").setLevel(logging.INFO)

MAX_ANSWER_BYTES: Final = 64 * 1024
"""So much of an answer's body is read; the rest is dropped with the connection. Its head may have 100 KiB (h11's)."""

CONNECT_TIMEOUT_S: Final = 5.0
_MOST_ADDRESSES: Final = 4
"""So many of a name's addresses are tried, one after another."""


class Refused(Exception):
    """The URL leads to an address that nothing may be sent to."""


class Unreachable(Exception):
    """No answer came: the name does not resolve, the connection failed, it was no HTTP, or time ran out."""


class Resolver(Protocol):
    """Gives all addresses of a name."""

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Look the name up.

        Raises:
            OSError: it has no address.
        """


@dataclass(frozen=True)
class Received:
    """An answer: its status, its header fields by lower-case name, and up to MAX_ANSWER_BYTES of its body as sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class SystemResolver:
    """Asks the system's resolver, in `threads` of its own, which start when they are needed.

    A name server that never answers holds a thread for longer than any timeout of ours.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, name)

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Look the name up; see Resolver."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        # A link-local IPv6 address may carry its interface behind a percent sign.
        return list(dict.fromkeys(ip_address(str(info[4][0]).partition("%")[0]) for info in found))


system_resolver: Final = SystemResolver("webhook-names", 64)
"""Looks up the names that strangers choose."""


class _CheckedBackend(httpcore.AnyIOBackend):
    """Opens connections to checked addresses alone."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolver) -> None:
        self._allowed = allowed
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in (await self._checked(host, port))[:_MOST_ADDRESSES]:
            try:
                return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                failure = failed
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise Refused("a webhook is not sent to a local socket")

    async def _checked(self, host: str, port: int) -> Sequence[Address]:
        literal = literal_address(host)
        try:
            addresses = [literal] if literal else await self._resolve(host, port)
        except (OSError, UnicodeError) as unknown:
            raise Unreachable(f"the name {host} does not resolve") from unknown
        for address in addresses:
            # One bad address spoils the name: a mixture has no honest use and is how a filter is got around.
            reason = why_refused(address, self._allowed)
            if reason:
                raise Refused(f"{host} leads to {reason}")
        return addresses


class OutboundClient:
    """Posts to URLs that strangers choose; nothing of it stays open between requests.

    `allowed` networks are open whatever kind of addresses they hold; `resolve` and `tls` are replaced in tests alone.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        timeout_s: float = 10.0,
        resolve: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _system_tls(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=_CheckedBackend(allowed, resolve),
        )

    async def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Received:
        """Send one request and give what came back, within the client's total time.

        An answer whose head has come is an answer, even if its body then stalls, breaks or has no end.

        Raises:
            Refused: the target's name or address leads where nothing may be sent; nothing was sent.
            Unreachable: there was no answer.
        """
        deadline = time.monotonic() + self._timeout_s
        url = httpcore.URL(
            scheme=target.scheme,
            host=target.host.strip("[]"),
            port=target.port,
            target=target.path,
        )
        request = httpcore.Request(
            "POST",
            url,
            headers=[*headers.items(), *_own_fields(target, body)],
            content=body,
            extensions={"timeout": {"connect": min(CONNECT_TIMEOUT_S, self._timeout_s)}},
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._pool.handle_async_request(request)
        except TimeoutError as slow:
            raise Unreachable(f"no answer within {self._timeout_s:g} s") from slow
        except httpcore.TimeoutException as slow:
            raise Unreachable(f"no connection within {CONNECT_TIMEOUT_S:g} s") from slow
        except (httpcore.NetworkError, httpcore.ProtocolError) as failed:
            raise Unreachable(_said(failed)) from failed
        try:
            received = await _read(response, max(0.0, deadline - time.monotonic()))
        finally:
            await response.aclose()
        return Received(response.status, _fields(response.headers), received)


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    """Trust whom the system trusts (SSL_CERT_FILE included); read once, since it takes its time."""
    return ssl.create_default_context()


async def _read(response: httpcore.Response, seconds: float) -> bytes:
    """Read the body's beginning, for as long as it comes."""
    read = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in response.aiter_stream():
                read += chunk
                if len(read) >= MAX_ANSWER_BYTES:
                    break
    except (TimeoutError, httpcore.NetworkError, httpcore.ProtocolError):
        pass  # what counts, the status, has come
    return bytes(read[:MAX_ANSWER_BYTES])


def _own_fields(target: Target, body: bytes) -> list[tuple[str, str]]:
    return [
        ("Host", target.authority),
        ("Content-Length", str(len(body))),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]


def _fields(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _said(failed: Exception) -> str:
    """Say what failed without the wrapping of each layer."""
    cause = failed.__context__ or failed
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the TLS certificate is not valid: {cause.verify_message}"
    text = str(cause) or type(failed).__name__
    return f"the connection failed: {text}" if isinstance(failed, httpcore.ConnectError) else f"no answer: {text}"
