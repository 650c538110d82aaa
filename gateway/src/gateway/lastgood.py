"""The last good answers in Redis: for a gateway that starts while the service behind an answer is away (RFC 5861).

What a gateway gives otherwise it has in its own memory (cache.py). Kept here are only answers to nobody in particular
without a query: as many as there are resources, however many ways there are to ask for them.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json
from redis.exceptions import RedisError

from gateway.redisspans import RedisSpans
from gateway.representation import Answer

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

PREFIX: Final = "neoforge:lastgood:"
KEPT_S: Final = 7 * 24 * 3600
_REFRESHED_S: Final = 30.0
"""An answer that stays the same is written again after so long, so that its age there stays true."""
_MOST: Final = 1_000
"""Answers of which is known when they were written; of the others it is as if they never were."""


@dataclass(frozen=True, slots=True)
class Good:
    """An answer, and when it was good, in seconds since the epoch."""

    answer: Answer
    at: float


class LastGood:
    """Keeps the last good answers, by the path that was asked for; says nothing while Redis is away."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._spans = RedisSpans(redis)
        self._written: dict[str, tuple[float, str | None]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._in_order = asyncio.Lock()

    def keep(self, path: str, good: Good) -> None:
        """Write an answer, unless the same was written just now; returns at once."""
        at, tag = self._written.pop(path, (0.0, None))
        if tag == good.answer.tag and good.at - at < _REFRESHED_S:
            self._written[path] = at, tag
            return
        self._written[path] = good.at, good.answer.tag
        if len(self._written) > _MOST:
            del self._written[next(iter(self._written))]
        self._later(self._write(path, good))

    def forget(self, path: str) -> None:
        """Remove an answer whose resource is gone; returns at once."""
        self._written.pop(path, None)
        self._later(self._remove(path))

    async def find(self, path: str) -> Good | None:
        """Give the last good answer, None when there is none or Redis is away."""
        with contextlib.suppress(RedisError, OSError):
            with self._spans.command("GET"):
                held = await self._redis.get(PREFIX + path)
            if isinstance(held, bytes):
                head, _, body = held.partition(b"\n")
                said = from_json(head)
                answer = Answer(body, tag=said["tag"], links=said["links"], media_type=said["type"])
                return Good(answer, said["at"])
        return None

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        writing = asyncio.get_running_loop().create_task(work)
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def _write(self, path: str, good: Good) -> None:
        answer = good.answer
        head = to_json({"at": good.at, "type": answer.media_type, "tag": answer.tag, "links": dict(answer.links)})
        try:
            async with self._in_order:
                with self._spans.command("SET"):
                    await self._redis.set(PREFIX + path, head + b"\n" + answer.body, ex=KEPT_S)
        except (RedisError, OSError) as away:
            self._written.pop(path, None)
            log.info("a good answer was kept in this process alone: %s", away)

    async def _remove(self, path: str) -> None:
        try:
            async with self._in_order:
                with self._spans.command("DEL"):
                    await self._redis.delete(PREFIX + path)
        except (RedisError, OSError) as away:
            log.info("an answer that is gone was forgotten in this process alone: %s", away)
