"""Where a stream's events come from: an RPC that lasts, called again from the last event on when it breaks off."""

import asyncio
import math
import random
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import grpc

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.rpc.client import watch
from gateway.streams.events import Event

BEGIN_S: Final = 2.0
"""How long a stream waits to begin while its service is not there: as any call does."""
RESUME_S: Final = 30.0
"""How long it waits to go on: longer than a service takes to restart."""
_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_RESUMABLE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
"""What ends a call and says nothing about the caller: its replica went or died, or lost its database."""


@dataclass(frozen=True)
class Feed:
    """An RPC that lasts and how to read it; its first message is there at once, and has the id where it begins."""

    rpc: Any
    request: Callable[[str], Any]
    """Makes the message that asks for what comes after the event of this id; an empty one is for now."""
    read: Callable[[Any], Event]
    """Makes an event of a message of the RPC."""
    ids: re.Pattern[str]
    """What ids of events look like."""
    shared: bool = False
    """Whether all get the same, so that one call will do for all; then an event tells how all is, not what happened,
    and who listens may miss one that was followed by another."""

    async def follow(
        self, after: str, *, caller: Caller, request_id: str, patience_s: float | None = None
    ) -> AsyncGenerator[Event, None]:
        """Give the events after one, and go on by another call when one breaks off. To be closed.

        Raises:
            RemoteError: what the service said; or the last failure, when for `patience_s` (else RESUME_S) no call
                could go on.
        """
        patience_s = RESUME_S if patience_s is None else patience_s
        begun = False
        give_up, pause_s = time.monotonic() + BEGIN_S, _PAUSE_S
        while True:
            if not self.rpc.channel.connected:
                await self.rpc.channel.reached(give_up - time.monotonic())
            failure, called_at = None, time.monotonic()
            try:
                call = watch(self.rpc, self.request(after), caller=caller, request_id=request_id)
                async with aclosing(call) as messages:
                    async for message in messages:
                        event = self.read(message)
                        if event.id != after:
                            give_up = math.inf
                        begun, after = True, event.id
                        yield event
            except RemoteError as failed:
                failure = failed
            if failure is not None and failure.code not in (_RESUMABLE if begun else {grpc.StatusCode.UNAVAILABLE}):
                raise failure
            now = time.monotonic()
            if begun and (give_up == math.inf or now - called_at >= patience_s):  # it had gone on
                give_up, pause_s = now + patience_s, _PAUSE_S
            if now >= give_up:
                raise failure or RemoteError(grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE", "the call ended")
            await asyncio.sleep(random.uniform(0.5, 1) * pause_s)  # noqa: S311 - spreads who comes back
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


class SharedFeed:
    """One call to a service for all who listen to the same, made while there are any.

    A service that goes away ends no stream: when it is back, who listened is told what is otherwise. A stream can
    only begin while it is there.
    """

    def __init__(self, follow: Callable[[], AsyncGenerator[Event, None]]) -> None:
        self._follow = follow
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self._latest: Event | None = None
        self._fault: RemoteError | None = None
        self._changed = asyncio.Event()

    async def listen(self) -> AsyncGenerator[Event, None]:
        """Give the latest event, and each time there is another the latest one then. To be closed.

        Raises:
            RemoteError: it could not begin.
        """
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._keep_latest())
        told: Event | None = None
        try:
            while True:
                if told is None and self._fault is not None:
                    raise self._fault
                if self._latest is not None and self._latest is not told:
                    told = self._latest
                    yield told
                else:
                    await self._changed.wait()
        finally:
            self._listeners -= 1
            if not self._listeners:
                self._task.cancel()
                self._task = self._latest = self._fault = None

    async def _keep_latest(self) -> None:
        while True:
            try:
                async with aclosing(self._follow()) as events:
                    async for event in events:
                        self._latest, self._fault = event, None
                        self._wake()
            except RemoteError as fault:
                self._fault = fault
                self._wake()
            await asyncio.sleep(random.uniform(0.5, 1) * _LONGEST_PAUSE_S)  # noqa: S311 - spreads who comes back

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
