"""One stream from its beginning to its end."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Final

import grpc
from starlette.types import Receive, Send

from chassis import cancelling
from chassis.errors import RemoteError
from gateway import metrics
from gateway.representation import Headers
from gateway.streams.events import HEARTBEAT, Event, prelude

if TYPE_CHECKING:
    from gateway.proof import Proof

_LAST_WORD_S: Final = 1.0
"""How long the end of a stream may take to be sent."""
_JITTER: Final = 0.1
_RIGHTS: Final = frozenset(
    {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED}
)


class _Slow(Exception):
    """The client does not take what is sent to it."""


class Stream:
    """Sends a client what happens, and heartbeats in between, until one of both has enough.

    `first` is the first of `events`; the event `known` is not told again. Nothing is kept for a client that is slow to
    take what it is sent: its call waits, and the service with it, and after the time of a heartbeat it is given up.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        first: Event,
        known: str,
        *,
        route: str,
        proof: "Proof | None",
        headers: Headers,
        heartbeat_s: float,
        longest_s: float,
    ) -> None:
        self.proof, self.headers = proof, headers
        """What the client's token proves, and the headers with the token."""
        self.told = 0
        """How many events were sent."""
        self._count = metrics.stream_events.labels(route)
        self._events, self._first, self._known = events, first, known
        self._heartbeat_s = heartbeat_s
        self._ends_at = time.monotonic() + longest_s * random.uniform(1 - _JITTER, 1)  # noqa: S311 - not all at once
        self._beat_at = 0.0
        self._writing = asyncio.Lock()
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(self, reason: str) -> None:
        """Let it end soon."""
        if not self._ended.done():
            self._ended.set_result(reason)

    async def run(self, receive: Receive, send: Send) -> str:
        """Send until the end, and give its reason."""
        self._send = send
        self._beat_at = time.monotonic() + self._heartbeat_s
        parts = (self._tell(), self._gone(receive), self._keep_alive())
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            done, _ = await asyncio.wait({*tasks, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            reason = done.pop().result()
        finally:
            await cancelling.end(*tasks)
        if reason not in {"left", "slow"}:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await send({"type": "http.response.body", "body": b""})
        return reason

    async def _tell(self) -> str:
        """Send the events, until there can be no more."""
        event = self._first
        try:
            await self._write(prelude())
            while True:
                if event.id != self._known:
                    await self._write(event.written())
                    self._known = event.id
                    if event.data:
                        self.told += 1
                        self._count.inc()
                event = await anext(self._events)
        except _Slow:
            return "slow"
        except RemoteError as fault:
            return "rights" if fault.code in _RIGHTS else "service"
        except StopAsyncIteration:
            return "service"

    async def _keep_alive(self) -> str:
        """Send a comment whenever nothing was sent for a while, until the stream is old."""
        while (now := time.monotonic()) < self._ends_at:
            if now < self._beat_at or self._writing.locked():
                until = self._beat_at if now < self._beat_at else now + self._heartbeat_s
                await asyncio.sleep(min(until, self._ends_at) - now)
            else:
                try:
                    await self._write(HEARTBEAT)
                except _Slow:
                    return "slow"
        return "age"

    async def _gone(self, receive: Receive) -> str:
        """Wait until the client has gone."""
        while (await receive())["type"] != "http.disconnect":
            pass
        return "left"

    async def _write(self, content: bytes) -> None:
        async with self._writing:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    await self._send({"type": "http.response.body", "body": content, "more_body": True})
            except TimeoutError:
                raise _Slow from None
            self._beat_at = time.monotonic() + self._heartbeat_s
