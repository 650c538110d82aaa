"""Real worker processes, and what their jobs did."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chassis.database import statement
from chassis.embedded.ports import free_port
from chassis.house import House
from probe.tables import effects, job_tables

_ALL = statement(sa.select(effects.c.message_id, effects.c.note).order_by(effects.c.position), "SELECT effects")
_LEFT = statement(sa.select(sa.func.count().label("left")).select_from(job_tables.outbox), "COUNT outbox")


class WorkerProcess:
    def __init__(
        self, settings: Any, redis_url: str, log: Path, arguments: Sequence[str], more: dict[str, str]
    ) -> None:
        self.log = log
        self.ops = f"127.0.0.1:{free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "NEOFORGE_ENVIRONMENT": "test",
            "NEOFORGE_LISTEN": "127.0.0.1:0",
            "NEOFORGE_OPS_LISTEN": self.ops,
            "NEOFORGE_DATABASE_URL": settings.database_url.get_secret_value(),
            "NEOFORGE_REDIS_URL": redis_url,
            "NEOFORGE_CURSOR_SECRET": "x" * 32,
            "NEOFORGE_WORKER_CONCURRENCY": "4",
        } | more
        with log.open("wb") as output:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "probe", "worker", *arguments],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{self.ops}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float | None:
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        return None

    async def ready(self) -> "WorkerProcess":
        await until(lambda: self.get("/ready")[0] == 200, self.explain)
        return self

    def signal(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def end(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGCONT)
            self.kill()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def explain(self) -> str:
        told = [line for line in self.log.read_text().splitlines() if " is done" not in line]
        return "\n".join([f"exit status {self.child.poll()}", str(self.get("/ready")), *told[-40:]])


class Effects:
    """What the jobs of the probe service did."""

    def __init__(self, house: House[Any]) -> None:
        self._house = house

    async def notes(self) -> list[str]:
        async with self._house.database.connection() as connection:
            return [row.note for row in await connection.all(_ALL)]

    async def left(self) -> int:
        async with self._house.database.connection() as connection:
            return int((await connection.one(_LEFT)).left)

    async def count(self, least: int, seconds: float = 60) -> None:
        """Wait until there are so many effects."""
        async with asyncio.timeout(seconds):
            while len(await self.notes()) < least:  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.01)

    async def include(self, note: str, seconds: float = 30) -> None:
        """Wait until this effect is there."""
        async with asyncio.timeout(seconds):
            while note not in await self.notes():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.02)

    async def each_once(self, notes: Sequence[str], explain: Callable[[], str], seconds: float = 30) -> None:
        """Wait until the outbox is empty, then see that each of these effects is there, once."""
        deadline = time.monotonic() + seconds
        while await self.left():
            assert time.monotonic() < deadline, explain()
            await asyncio.sleep(0.05)
        assert Counter(await self.notes()) == Counter(notes)


async def until(condition: Callable[[], bool], explain: Callable[[], str], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, explain()
        await asyncio.sleep(0.05)
