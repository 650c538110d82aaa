"""What becomes of requests when four times as many come as can be answered: half the capacity, four times, half again.

    make up PORT=9000 with NEOFORGE_QUOTAS="reads=100000000/60"     in another terminal
    python -m tests.bench.overload http://127.0.0.1:9001 TOKEN [seconds] [capacity a second]

Requests come at their own times whether those before are answered or not, each on a connection that is free. Of the
gateway's memory the largest and the last are told, by /metrics.
"""

import asyncio
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

PATH: Final = "/api/v1/projects?page_size=20"
CALM_S: Final = 15.0
CLIENTS: Final = 32
"""How many ask one after the other to find the capacity."""


@dataclass
class Phase:
    """What a load was answered with."""

    times: dict[str, list[float]] = field(default_factory=dict)

    def note(self, status: str, seconds: float) -> None:
        self.times.setdefault(status, []).append(seconds)

    def of(self, status: str, quantile: float) -> float:
        times = sorted(self.times.get(status, ()))
        return times[min(len(times) - 1, int(len(times) * quantile))] if times else 0.0

    def __str__(self) -> str:
        def told(status: str) -> str:
            p50, p99 = (1e3 * self.of(status, quantile) for quantile in (0.5, 0.99))
            return f"{status}: {len(self.times[status])} (p50 {p50:.1f} ms, p99 {p99:.1f} ms)"

        return ", ".join(map(told, sorted(self.times))) or "nothing"


class Load:
    """Connections to one server, and one request sent again and again."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        self._at = (parts.hostname or "", parts.port or 80)
        head = f"GET {PATH} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._request = head.encode()
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.opened = 0

    async def ask(self, phase: Phase) -> None:
        """Ask once, and note what came."""
        began = time.perf_counter()
        if self._free:
            reader, writer = self._free.pop()
        else:
            reader, writer = await asyncio.open_connection(*self._at)
            self.opened += 1
        try:
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            phase.note("broken", time.perf_counter() - began)
            return
        phase.note(head[9:12].decode(), time.perf_counter() - began)
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self._free.append((reader, writer))

    async def capacity(self, seconds: float) -> float:
        """Give how many are answered a second when there is always somebody who asks."""
        phase = Phase()
        end = time.perf_counter() + seconds

        async def client() -> None:
            while time.perf_counter() < end:
                await self.ask(phase)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        print(f"capacity: {phase}")
        return len(phase.times.get("200", ())) / seconds

    async def steady(self, rate: float, seconds: float) -> Phase:
        """Ask `rate` times a second."""
        phase = Phase()
        began = time.perf_counter()
        tasks: set[asyncio.Task[None]] = set()
        sent = 0
        while (now := time.perf_counter() - began) < seconds:
            for _ in range(int(now * rate) - sent):
                task = asyncio.create_task(self.ask(phase))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            await asyncio.sleep(0.002)
        if tasks:
            await asyncio.wait(tasks, timeout=30)
        return phase


def memory(url: str) -> float:
    """Give what the gateway has in memory, in MiB."""
    text = httpx.get(f"{url}/metrics").text
    found = re.search(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)
    return float(found[1]) / 2**20 if found else 0.0


async def main(url: str, token: str, seconds: float, capacity: float) -> None:
    load = Load(url, token)
    capacity = capacity or await load.capacity(CALM_S)
    print(f"capacity: {capacity:.0f} a second; memory {memory(url):.0f} MiB")
    half = await load.steady(capacity / 2, CALM_S)
    print(f"half: {half}; memory {memory(url):.0f} MiB")
    began = time.perf_counter()
    four = await load.steady(capacity * 4, seconds)
    took = time.perf_counter() - began
    print(
        f"four times: {four}; {sum(map(len, four.times.values())) / took:.0f} answered a second, "
        f"{load.opened} connections; memory {memory(url):.0f} MiB"
    )
    again = [await load.steady(capacity / 2, 1) for _ in range(8)]
    for second, phase in enumerate(again, 1):
        print(f"second {second} after it, half: {phase}")
    print(f"memory {memory(url):.0f} MiB")
    base = half.of("200", 0.99)
    print(f"p99 of the admitted: {four.of('200', 0.99) / base:.1f} times that at half the capacity")


if __name__ == "__main__":
    given = [*sys.argv[1:], *[""] * 4]
    asyncio.run(main(given[0], given[1], float(given[2] or 60), float(given[3] or 0)))
