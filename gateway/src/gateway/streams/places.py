"""All open streams of a gateway process: how many there may be, and whose have to end."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Final

from chassis.identity import NOBODY, Caller
from chassis.metrics import begin
from gateway import metrics
from gateway.addresses import bucket
from gateway.identity import Authenticator
from gateway.observation import new_id
from gateway.problems import Problem
from gateway.proof import Proof
from gateway.settings import GatewaySettings
from gateway.streams.events import Event
from gateway.streams.feed import Feed, SharedFeed
from gateway.streams.stream import Stream

begin(metrics.streams_ended, ("left", "slow", "token", "rights", "service", "age", "drain"))

log = logging.getLogger("gateway.streams")

_LOOK_S: Final = 0.25
"""As often as revocations are asked for: a stream of a revoked session ends within a second."""
_LAST_WORDS_S: Final = 2.0
_FOR_PEOPLE: Final = 5
"""Of the places one in so many is for who has signed in: addresses are cheap, and must not keep people out."""
_COME_BACK: Final = [(b"retry-after", b"5")]


class Streams:
    """The open streams."""

    def __init__(self, authenticator: Authenticator, settings: GatewaySettings) -> None:
        self._authenticator = authenticator
        self._settings = settings
        self._by_caller = Counter[str]()
        self._of_addresses = 0
        self._open: set[Stream] = set()
        self._some = asyncio.Event()
        self._ending = False
        self._proving: set[asyncio.Task[None]] = set()
        self._shared: dict[str, SharedFeed] = {}

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """Hold one of the places that there are.

        Raises:
            Problem: OVERLOADED or TOO_MANY_STREAMS; UNAVAILABLE, since this gateway goes.
        """
        if self._ending:
            raise Problem("UNAVAILABLE", "This gateway goes.")
        settings = self._settings
        if caller.signed_in:
            who, most, whose = str(caller.subject), settings.streams_per_person, "person"
            full = self._by_caller.total() >= settings.streams
        else:
            who, most, whose = bucket(caller.address), settings.streams_per_address, "address"
            theirs = settings.streams - settings.streams // _FOR_PEOPLE
            full = self._by_caller.total() >= settings.streams or self._of_addresses >= theirs
        if full:
            raise Problem("OVERLOADED", "There are as many open streams as there may be.", headers=_COME_BACK)
        if self._by_caller[who] >= most:
            told = f"There are {most} open streams of this {whose} already, as many as there may be."
            raise Problem("TOO_MANY_STREAMS", told, headers=_COME_BACK)
        self._by_caller[who] += 1
        self._of_addresses += not caller.signed_in
        try:
            yield
        finally:
            self._of_addresses -= not caller.signed_in
            self._by_caller[who] -= 1
            if not self._by_caller[who]:
                del self._by_caller[who]

    def events(self, key: str, feed: Feed, after: str, caller: Caller, request_id: str) -> AsyncGenerator[Event, None]:
        """Give the events of a feed; of one that is shared, those of the call that was made for all with this key."""
        if not feed.shared:
            return feed.follow(after, caller=caller, request_id=request_id)
        shared = self._shared.get(key)
        if shared is None:
            shared = self._shared[key] = SharedFeed(
                lambda: feed.follow("", caller=NOBODY, request_id=new_id(), patience_s=0)
            )
        return shared.listen()

    @contextmanager
    def open(self, stream: Stream, route: str) -> Iterator[None]:
        """Count a stream as open, and look after it meanwhile."""
        opened = metrics.streams_open.labels(route)
        opened.inc()
        self._open.add(stream)
        if self._ending:
            stream.end("drain")
        self._some.set()
        try:
            yield
        finally:
            self._open.discard(stream)
            if not self._open:
                self._some.clear()
            opened.dec()

    async def watch(self) -> None:
        """End the streams of whom the token holds no more, until cancelled."""
        while True:
            await self._some.wait()
            try:
                for stream in list(self._open):
                    self._check(stream)
            except Exception:
                log.exception("looking after the open streams went wrong")
            await asyncio.sleep(_LOOK_S)

    def _check(self, stream: Stream) -> None:
        proof = stream.proof
        try:
            good = proof is None or self._authenticator.stands(proof)
        except Problem:  # nobody knows what was revoked
            good = False
        if proof is not None and not good:
            # Of a personal access token it is asked now and then whose it is.
            stream.proof = None
            proving = asyncio.create_task(self._prove_again(stream, proof))
            self._proving.add(proving)
            proving.add_done_callback(self._proving.discard)

    async def _prove_again(self, stream: Stream, before: Proof) -> None:
        try:
            proof = await self._authenticator.proof(stream.headers)
        except Problem:
            stream.end("token")
        else:
            stream.proof = proof
            if not proof.same(before):
                stream.end("token")

    async def end(self) -> None:
        """End all, those that are about to begin too, and return when they have ended or have had the time for it."""
        self._ending = True
        for stream in self._open:
            stream.end("drain")
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                while self._open:  # noqa: ASYNC110 - once in the life of a process
                    await asyncio.sleep(0.01)
        except TimeoutError:
            log.warning("%d streams did not end in time", len(self._open))
