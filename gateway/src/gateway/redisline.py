"""One line to Redis for all requests of this process: what waits goes out as one pipeline, in order.

An awaited round trip of its own costs a request about 100 microseconds of CPU; shared, a few. Nobody waits for a
batch to fill: a request alone leaves at once, and the next batch is whatever came while the one before was out.
"""

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final, TypeAlias

from redis.exceptions import NoScriptError, RedisError

from chassis import telemetry
from gateway import metrics
from gateway.redisspans import RedisSpans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

log = logging.getLogger(__name__)

_RETRY_S: Final = 0.25
_FAULTS: Final = (RedisError, OSError, TimeoutError)

Keys: TypeAlias = str | tuple[str, ...]
"""The keys of a script."""
_Waiting: TypeAlias = tuple[int, tuple[str | int, ...], "asyncio.Future[list[int] | None] | None"]
"""How many keys, those and the arguments, and who waits for the result."""


class RedisLine:
    """Runs one Lua script for many; gives None instead of a result while Redis is away. Spans know it by its `name`.

    `patience_s` is how long a request waits for Redis before it is decided without.
    """

    def __init__(self, redis: "Redis", name: str, script: str, patience_s: float) -> None:
        self._redis = redis
        self._name = name
        self._spans = RedisSpans(redis)
        self._script = script
        self._patience_s = patience_s
        self._size = metrics.redis_batch_size.labels(name)
        self._wait = metrics.redis_batch_wait.labels(name)
        self._since = 0.0
        """When the first of those that wait came."""
        self._sha = ""
        self._waiting: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._away = False

    async def run(self, keys: Keys, *arguments: int, patience_s: float | None = None) -> list[int] | None:
        """Give the script's result; None when Redis does not answer in time, or in this one's own `patience_s`."""
        if self._away:
            return None
        future: asyncio.Future[list[int] | None] = asyncio.get_running_loop().create_future()
        self._join(keys, arguments, future)
        timer = self._set_timer(future, self._patience_s if patience_s is None else patience_s)
        # A span of this request's own command, from its place in the line to its result: pipelines serve many traces.
        with self._spans.command("EVALSHA", self._name) as span:
            try:
                result = await future
            finally:
                timer.cancel()
            if result is None:
                telemetry.fail(span, "timeout", "decided without Redis")
        return result

    def _set_timer(self, future: "asyncio.Future[list[int] | None]", patience_s: float) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        return loop.call_later(patience_s, self._run_out, future, loop.time() + patience_s)

    def _run_out(self, future: "asyncio.Future[list[int] | None]", due: float) -> None:
        """Decide without Redis, unless it was this loop that was late: the answer may lie there already."""
        if future.done():
            return
        if asyncio.get_running_loop().time() - due > self._patience_s / 2:
            self._set_timer(future, self._patience_s)
        else:
            future.set_result(None)

    def send(self, keys: Keys, *arguments: int) -> None:
        """Run the script after everything asked before, and don't wait for it."""
        if not self._away:
            self._join(keys, arguments, None)

    def _join(self, keys: Keys, arguments: tuple[int, ...], future: "asyncio.Future[list[int] | None] | None") -> None:
        if not self._waiting:
            self._since = time.perf_counter()
        named = (keys,) if isinstance(keys, str) else keys
        self._waiting.append((len(named), (*named, *arguments), future))
        self._wake.set()

    async def keep_going(self) -> None:
        """Carry batches until cancelled; after a fault, try again four times a second."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            self._size.observe(len(batch))
            self._wait.observe(time.perf_counter() - self._since)
            try:
                await self._carry(batch)
            except _FAULTS as fault:
                await self._wait_out(fault, batch)

    async def _carry(self, batch: "Sequence[_Waiting]") -> None:
        while batch:
            if not self._sha:
                self._sha = await self._redis.script_load(self._script)
            pipeline: Pipeline = self._redis.pipeline(transaction=False)
            for keys, arguments, _ in batch:
                pipeline.evalsha(self._sha, keys, *arguments)
            results = await pipeline.execute(raise_on_error=False)
            unknown = []
            for entry, result in zip(batch, results, strict=True):
                if isinstance(result, NoScriptError):  # SCRIPT FLUSH, a restart or a fail-over: it did not run
                    unknown.append(entry)
                elif isinstance(result, Exception):
                    raise result
                elif entry[2] is not None:
                    _settle(entry[2], result)
            if unknown:
                self._sha = ""
            batch = unknown

    async def _wait_out(self, fault: BaseException, batch: "Sequence[_Waiting]") -> None:
        log.warning("redis is away for %s, deciding without: %s", self._name, fault)
        self._away = True
        for *_, future in (*batch, *self._waiting):
            if future is not None:
                _settle(future, None)
        self._waiting.clear()
        while self._away:
            await asyncio.sleep(_RETRY_S * random.uniform(0.5, 1.5))  # noqa: S311 - spreads reconnects, guards nothing
            try:
                await self._redis.ping()
                self._away = False
            except _FAULTS:
                continue
        log.warning("redis is back for %s", self._name)


def _settle(future: "asyncio.Future[list[int] | None]", result: list[int] | None) -> None:
    if not future.done():
        future.set_result(result)
