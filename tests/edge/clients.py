"""Clients of the edge for each version of HTTP, alike in what they are asked and in what they give."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection, H3Stream
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from cryptography import x509

PATIENCE_S = 60
VERSIONS = ("HTTP/1.1", "HTTP/2", "HTTP/3")
Fields = Sequence[tuple[bytes, bytes]]


class Refused(Exception):
    """The other side has reset the stream, or closed the connection."""


@dataclass
class Answer:
    """What came: the header fields in lower case, without those that begin with a colon."""

    version: str
    status: int = 0
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def __getitem__(self, name: str) -> str:
        return ", ".join(value for found, value in self.fields if found == name)


class Client(Protocol):
    """One connection to the edge."""

    async def ask(self, method: str, path: str, fields: Fields = (), body: bytes = b"") -> Answer:
        """Send a request and give its answer."""


@asynccontextmanager
async def client(version: str, port: int, authority: Path) -> AsyncIterator[Client]:
    """Give a client that speaks this version over TLS, and no other."""
    if version == "HTTP/3":
        async with http3(port, authority) as connection:
            yield connection
        return
    trust = ssl.create_default_context(cafile=authority)
    two = version == "HTTP/2"
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(verify=trust, http1=not two, http2=two, limits=limits, timeout=PATIENCE_S) as made:
        made.headers.clear()
        yield _Httpx(made, f"https://localhost:{port}")


class _Httpx:
    def __init__(self, made: httpx.AsyncClient, url: str) -> None:
        self._client, self._url = made, url

    async def ask(self, method: str, path: str, fields: Fields = (), body: bytes = b"") -> Answer:
        answer = await self._client.request(method, self._url + path, headers=list(fields), content=body or None)
        found = [(name.decode().lower(), value.decode()) for name, value in answer.headers.raw]
        return Answer(answer.http_version, answer.status_code, found, answer.content)


@asynccontextmanager
async def http3(port: int, authority: Path, host: str = "localhost") -> AsyncIterator["Http3"]:
    """Give a connection by QUIC."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    configuration.load_verify_locations(str(authority))
    async with connect(host, port, configuration=configuration, create_protocol=Http3) as connection:
        assert isinstance(connection, Http3)
        yield connection


class _Connection(H3Connection):
    """Knows that the answer to a HEAD has no content, whatever its length says (RFC 9110, section 9.3.2)."""

    def __init__(self, quic: QuicConnection) -> None:
        super().__init__(quic)
        self.heads: set[int] = set()

    def _check_content_length(self, stream: H3Stream) -> None:
        if stream.stream_id not in self.heads:
            super()._check_content_length(stream)


class Http3(QuicConnectionProtocol):
    """One connection by QUIC."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type] # passed on as they came
        self._http = _Connection(self._quic)
        self._waiting: dict[int, tuple[Answer, asyncio.Future[Answer]]] = {}

    @property
    def certificate(self) -> x509.Certificate:
        """What the other side has shown."""
        shown = self._quic.tls._peer_certificate
        assert isinstance(shown, x509.Certificate)
        return shown

    async def ask(self, method: str, path: str, fields: Fields = (), body: bytes = b"") -> Answer:
        """Send a request and give its answer; raises Refused."""
        own = [(b":method", method.encode()), (b":scheme", b"https"), (b":authority", b"localhost")]
        lower = [(name.lower(), value) for name, value in fields]
        return await self.send([*own, (b":path", path.encode()), *lower], body)

    async def send(self, fields: Fields, body: bytes = b"", *, ended: bool = True) -> Answer:
        """Send these fields as they are, and a body; give what comes, or raise Refused."""
        stream = self._quic.get_next_available_stream_id()
        if (b":method", b"HEAD") in fields:
            self._http.heads.add(stream)
        self._waiting[stream] = Answer("HTTP/3"), asyncio.get_running_loop().create_future()
        self._http.send_headers(stream, list(fields), end_stream=ended and not body)
        if body:
            self._http.send_data(stream, body, end_stream=ended)
        self.transmit()
        return await asyncio.wait_for(self._waiting[stream][1], PATIENCE_S)

    def quic_event_received(self, event: QuicEvent) -> None:
        """Take in what came."""
        if isinstance(event, ConnectionTerminated):
            for _, waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(Refused(event.reason_phrase))
        elif isinstance(event, StreamReset) and not (waiting := self._waiting[event.stream_id][1]).done():
            waiting.set_exception(Refused(event.error_code))
        for came in self._http.handle_event(event):
            self._take(came)

    def _take(self, came: H3Event) -> None:
        if not isinstance(came, HeadersReceived | DataReceived):
            return
        answer, waiting = self._waiting[came.stream_id]
        if isinstance(came, DataReceived):
            answer.body += came.data
        elif (status := dict(came.headers).get(b":status", b"")) and not status.startswith(b"1"):
            answer.status = int(status)
            answer.fields = [(name.decode(), value.decode()) for name, value in came.headers if name[:1] != b":"]
        if came.stream_ended and not waiting.done():
            waiting.set_result(answer)
