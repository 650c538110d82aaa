"""A way to a database on which every answer takes longer by a delay that can be changed at any moment."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

HOST: Final = "127.0.0.1"
_CHUNK: Final = 64 * 1024


@dataclass
class SlowWay:
    """A TCP proxy on `port`: it passes questions on at once, and what is said to them `delay_s` after it was said."""

    port: int
    delay_s: float = 0.0


@contextmanager
def slow_way(to_port: int) -> Iterator[SlowWay]:
    """Listen on a port of loopback, in a thread, while the context lasts; `to_port` may come to life later."""
    loop = asyncio.new_event_loop()
    way = SlowWay(0)
    running: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with suppress(OSError):
            await _carry(way, to_port, reader, writer)
        writer.close()
        running.discard(task)

    server = loop.run_until_complete(asyncio.start_server(carry, HOST, 0))
    way.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, name="slow way")
    thread.start()

    async def close() -> None:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    try:
        yield way
    finally:
        asyncio.run_coroutine_threadsafe(close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _carry(way: SlowWay, to_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one connection until either end closes it."""
    there, thither = await asyncio.open_connection(HOST, to_port)
    said: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    clock = asyncio.get_running_loop().time

    async def ask() -> None:
        while question := await reader.read(_CHUNK):
            thither.write(question)
            await thither.drain()

    async def hear() -> None:
        answer = b"?"
        while answer:
            answer = await there.read(_CHUNK)
            said.put_nowait((clock() + way.delay_s, answer))

    async def answer() -> None:
        # One after the other: what was said first arrives first, also where the delay has become shorter meanwhile.
        while True:
            due, text = await said.get()
            await asyncio.sleep(due - clock())
            if not text:
                return
            writer.write(text)
            await writer.drain()

    work = [asyncio.ensure_future(part()) for part in (ask, hear, answer)]
    try:
        await asyncio.wait([work[0], work[2]], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for part in work:
            part.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        thither.close()
