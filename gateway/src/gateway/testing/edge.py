"""The gateway as clients meet it, in a thread of its own: uvicorn on a free port, with its parts around it."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.asyncio import Redis

from chassis import cancelling
from gateway import penalties, ratelimit
from gateway.redisline import RedisLine
from gateway.serving import http_server, running
from gateway.settings import GatewaySettings
from gateway.testing.issuer import AUDIENCE, ISSUER, StandInIssuer
from gateway.testing.servicer import StandInServer

if TYPE_CHECKING:
    import uvicorn

T = TypeVar("T")

_WAIT_S: Final = 60.0
PUBLIC_URL: Final = "https://forge.example.test"
HERE: Final = "here"
"""As a setting: where the stand-in service is."""


class Edge:
    """The gateway, the stand-in service behind it, and the loop that both run in."""

    def __init__(self, redis_url: str, issuer: StandInIssuer, **settings: Any) -> None:
        self._redis_url = redis_url
        self._issuer = issuer
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._stopped: asyncio.Event | None = None
        self._started = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="edge", daemon=True)
        self.service = StandInServer()
        self.url = ""
        self.ahead_s = 0.0
        """By how much the cache of public answers is older than it was filled."""

    def start(self) -> None:
        """Serve; returns when the port is open, and tokens can be checked unless their issuer is away."""
        self._thread.start()
        if not self._started.wait(_WAIT_S) or self._fault is not None:
            raise RuntimeError("the gateway did not start") from self._fault

    def stop(self) -> None:
        """End everything."""
        self._loop.call_soon_threadsafe(self._server.handle_exit, 15, None)
        self._thread.join(_WAIT_S)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the gateway's loop and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_WAIT_S)

    def do(self, act: Callable[[], T]) -> T:
        """Have the gateway's loop do something, and give its result."""

        async def done() -> T:
            return act()

        return self.run(done())

    def call_soon(self, act: Callable[[], object]) -> None:
        """Have the gateway's loop do something, and don't wait for it."""
        self._loop.call_soon_threadsafe(act)

    @contextmanager
    def unhurried(self) -> Iterator[None]:
        """Have every request counted in Redis, with all the patience that a busy machine may need."""
        parts = self.parts
        counters: tuple[tuple[Any, str, str], ...] = (
            (parts.limiter, "gcra", ratelimit.SCRIPT),
            (parts.penalties, "penalties", penalties.SCRIPT),
        )
        redis = Redis.from_url(self._redis_url, socket_timeout=_WAIT_S, socket_connect_timeout=_WAIT_S)
        lines = [RedisLine(redis, name, script, _WAIT_S) for _, name, script in counters]
        hurried = [counter._scripts for counter, _, _ in counters]  # noqa: SLF001 - tests alone exchange them

        async def begin() -> list[asyncio.Task[None]]:
            return [asyncio.create_task(line.keep_going()) for line in lines]

        async def end(going: list[asyncio.Task[None]]) -> None:
            await cancelling.end(*going)
            await redis.aclose()

        going = self.run(begin())
        for (counter, _, _), line in zip(counters, lines, strict=True):
            counter._scripts = line  # noqa: SLF001
        try:
            yield
        finally:
            for (counter, _, _), line in zip(counters, hurried, strict=True):
                counter._scripts = line  # noqa: SLF001
            self.run(end(going))

    def forget(self) -> None:
        """Empty the cache of public answers, and be no longer ahead."""
        self.ahead_s = 0.0
        self.call_soon(self.parts.cache.clear)

    @property
    def connections(self) -> set[Any]:
        """The connections that are open now."""
        return set(self._server.server_state.connections)

    @property
    def port(self) -> int:
        """The gateway's port."""
        return int(self.url.rpartition(":")[2])

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as fault:  # noqa: BLE001 - it is raised again in the test's thread
            self._fault = fault
            self._started.set()

    async def _serve(self) -> None:
        await self.service.start()
        here = f"127.0.0.1:{self.service.port}"
        settings = GatewaySettings.model_validate(
            {
                "environment": "test",
                "listen": "127.0.0.1:0",
                "public_url": PUBLIC_URL,
                "projects_target": here,
                "community_target": here,
                "redis_url": self._redis_url,
                "jwks_url": self._issuer.url,
                "token_issuer": ISSUER,
                "token_audience": AUDIENCE,
                "keep_alive_s": 30,
                "drain_s": 5,
                "farewell_s": 0,
                **{name: here if value is HERE else value for name, value in self._settings.items()},
            },
        )
        failed = asyncio.Event()
        async with running(settings, failed.set, lambda: time.time() + self.ahead_s) as (parts, app):
            self.parts = parts
            server: uvicorn.Server = http_server(app, parts, failed)
            self._server = server
            serving = asyncio.create_task(server.serve())
            while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            # The issuer is asked at once; on a busy machine a test's first request might come before its answer.
            while not (serving.done() or parts.authenticator.ready or self._issuer.away):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            if server.started:
                self.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
                self._started.set()
            await serving
        await self.service.stop()
