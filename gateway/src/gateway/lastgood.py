"""The last good answers of public reads, given on while the service behind them is away (stale-if-error, RFC 5861).

A request that can reach its service is always answered by it; only one that fails for want of the service gets what was
answered last, and is told its age. Answers are kept in this process, and in Redis for other gateways and for this one
after a restart. Kept are only answers to nobody in particular without a query: as many as there are resources, however
many ways there are to ask for them.
"""

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic_core import from_json, to_json
from redis.exceptions import RedisError

from gateway import metrics
from gateway.redisspans import RedisSpans
from gateway.representation import Answer, tag_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

_PREFIX: Final = "neoforge:lastgood:"
_KEPT_S: Final = 7 * 24 * 3600
_REFRESHED_S: Final = 30.0
"""An answer that stays the same is written to Redis again after so long, so that its age there stays true."""

_MOST: Final = 500
"""Answers in this process; the longest unused makes room."""


@dataclass(frozen=True)
class _Kept:
    answer: Answer
    at: float
    """When it was good, in seconds since the epoch."""


class LastGood:
    """Keeps the last good answers, by the path that was asked for."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._spans = RedisSpans(redis)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._written: dict[str, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def keep(self, path: str, answer: Answer) -> None:
        """Remember an answer that the service has just given; returns at once."""
        if answer.unchanged:
            before = self._kept.get(path)
            if before is None or before.answer.tag != answer.tag:
                return
            answer = before.answer
        kept = _Kept(answer, time.time())
        before = self._kept.pop(path, None)
        self._kept[path] = kept
        if len(self._kept) > _MOST:
            self._written.pop(self._kept.popitem(last=False)[0], None)
        same = before is not None and before.answer.body == answer.body
        if not same or kept.at - self._written.get(path, 0.0) >= _REFRESHED_S:
            self._written[path] = kept.at
            writing = asyncio.get_running_loop().create_task(self._write(path, kept))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)

    async def find(self, path: str) -> Answer | None:
        """Give the last good answer, marked with its age in seconds, or None when there is none."""
        found = [kept for kept in (self._kept.get(path), await self._read(path)) if kept is not None]
        if not found:
            return None
        newest = max(found, key=lambda kept: kept.at)
        metrics.stale_answers.inc()
        return _marked(newest)

    async def _write(self, path: str, kept: _Kept) -> None:
        answer = kept.answer
        head = to_json({"at": kept.at, "type": answer.media_type, "tag": answer.tag, "links": dict(answer.links)})
        try:
            with self._spans.command("SET"):
                await self._redis.set(_PREFIX + path, head + b"\n" + answer.body, ex=_KEPT_S)
        except (RedisError, OSError) as away:
            self._written.pop(path, None)
            log.info("a good answer was kept in this process alone: %s", away)

    async def _read(self, path: str) -> _Kept | None:
        with contextlib.suppress(RedisError, OSError):
            with self._spans.command("GET"):
                held = await self._redis.get(_PREFIX + path)
            if isinstance(held, bytes):
                head, _, body = held.partition(b"\n")
                said = from_json(head)
                answer = Answer(body, tag=said["tag"], links=said["links"], media_type=said["type"])
                return _Kept(answer, said["at"])
        return None


def _marked(kept: _Kept) -> Answer:
    """Say in the answer how old it is: in its headers, and in its body where that has the members for it."""
    answer = replace(kept.answer, age_s=max(0, int(time.time() - kept.at)))
    if b'"stale":false' in answer.body:
        value = from_json(answer.body)
        if isinstance(value, dict) and value.get("stale") is False:
            value |= {"stale": True, "as_of": datetime.fromtimestamp(kept.at, UTC).isoformat().replace("+00:00", "Z")}
            body = to_json(value)
            return replace(answer, body=body, tag=tag_of(body))
    return answer
