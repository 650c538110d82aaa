"""Readers and writers of the same projects over two gateways, while services are killed and Redis is paused or killed.

`python -m tests.reliability.interleaved --operations 5000` prints the figures of docs/reliability.md. Every answer is
kept, and `registers.violations` says whether one order of events explains them all. Each person's projects have names
that no one else's have, so that an answer that went to somebody else would show.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from tests.reliability.registers import Event, violations

from chassis.embedded.ports import free_port
from chassis.testing.waiting import wait_for
from devstack import stack as layout
from devstack.folders import Folders
from devstack.ports import Ports
from devstack.testing import Stack, running_stack

PEOPLE = ("ines", "tomas", "mara")
PROJECTS_EACH = 2
CLIENTS_EACH = 3
"""Of a project; each reads and writes."""
WRITES = 0.4
PAUSE_S = 0.7
BETWEEN_FAULTS_S = 1.5
QUOTAS = "reads=1000000/60,writes=1000000/60"
AGAIN = frozenset({409, 429, 502, 503, 504})


@dataclass
class Record:
    """What was answered."""

    wanted: int
    history: list[Event] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that were not meant for who got them, and such as no client should get."""

    @property
    def complete(self) -> bool:
        """Whether there is enough of it."""
        return len(self.history) >= self.wanted

    def faulty(self) -> list[str]:
        """Give everything that is wrong with it."""
        return [*self.wrong, *violations(self.history)]

    def report(self) -> str:
        """Give the figures as lines."""
        writes = sum(event.wrote for event in self.history)
        return "\n".join(
            [
                f"answered operations   {len(self.history)}, {writes} of them writes",
                "faults                " + ", ".join(f"{n} x {kind}" for kind, n in self.faults.most_common()),
                "refused, asked again  " + (", ".join(f"{n} x {s}" for s, n in self.refused.most_common()) or "none"),
                f"unexplained           {len(self.faulty())}",
            ]
        )


@contextmanager
def another_gateway(stack: Stack, folder: Path, quotas: str = QUOTAS) -> Iterator[str]:
    """Run another gateway of a stack while the context lasts; give its address."""
    parts = layout.Stack.of(Folders(stack.data), Ports(stack.port), os.environ)
    port = free_port()
    own = {"NEOFORGE_LISTEN": f"127.0.0.1:{port}", "NEOFORGE_QUOTAS": quotas, "NEOFORGE_REDIS_PATIENCE_S": "1"}
    with (folder / f"gateway-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"],
            env={**parts.python_environment(), **parts.gateway_environment(), **own},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: _ready(f"http://127.0.0.1:{port}"), 120, what="another gateway")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/ready").status_code == httpx.codes.OK
    return False


class Client:
    """One of those who read and write a project of one person."""

    def __init__(self, record: Record, gateways: list[httpx.AsyncClient], person: str, project: dict[str, str]) -> None:
        self._record = record
        self._gateways = gateways
        self._person = person
        self._project = project
        self._path = f"/api/v1/projects/{project['id']}"

    async def go_on(self, dice: random.Random) -> None:
        """Read and write until there is enough."""
        while not self._record.complete:
            if dice.random() < WRITES:
                body = {"name": f"{self._person} {uuid4()}"}
                await self._do(dice, "PATCH", self._path, body, {"Idempotency-Key": f'"{uuid4()}"'})
            elif dice.random() < 0.5:
                await self._do(dice, "GET", self._path)
            else:
                await self._do(dice, "GET", f"/api/v1/projects?label={self._project['slug']}")

    async def _do(
        self, dice: random.Random, method: str, path: str, body: object = None, key: dict[str, str] | None = None
    ) -> None:
        """Ask until there is an answer, a write each time with the same key, through whichever gateway."""
        began = time.monotonic()
        while True:
            try:
                answer = await dice.choice(self._gateways).request(method, path, json=body, headers=key)
            except httpx.TransportError:
                self._record.refused[0] += 1
                continue
            if answer.is_success:
                break
            if answer.status_code not in AGAIN:
                self._record.wrong.append(f"{method} {path}: {answer.status_code} {answer.text}")
                return
            self._record.refused[answer.status_code] += 1
            await asyncio.sleep(0.05)
        self._keep(answer.json(), began, wrote=method == "PATCH")

    def _keep(self, shown: dict[str, Any], began: float, *, wrote: bool) -> None:
        ended = time.monotonic()
        found = shown.get("items", [shown])
        for item in found:
            if item["owner_id"] != self._project["owner_id"] or not item["name"].startswith(f"{self._person} "):
                self._record.wrong.append(f"{self._person} was shown {item}")
            if item["id"] == self._project["id"]:
                event = Event(item["id"], began, ended, item["version"], item["name"], wrote)
                self._record.history.append(event)
                return
        self._record.wrong.append(f"{self._person} was not shown {self._project['id']}: {shown}")


async def interleave(stack: Stack, gateways: list[str], operations: int, seed: int) -> Record:
    """Have everybody read and write until so many operations were answered, faults going on all the time."""
    record, dice = Record(operations), random.Random(seed)  # noqa: S311 - a repeatable schedule
    async with contextlib.AsyncExitStack() as open_ones:
        clients = []
        for person in PEOPLE:
            sessions = [
                await open_ones.enter_async_context(
                    httpx.AsyncClient(base_url=url, headers=_as(stack, person), timeout=30, trust_env=False)
                )
                for url in gateways
            ]
            for _ in range(PROJECTS_EACH):
                slug = f"r{uuid4().hex[:12]}"
                body = {"name": f"{person} {uuid4()}", "slug": slug, "labels": [slug]}
                key = {"Idempotency-Key": f'"{uuid4()}"'}
                project = (await sessions[0].post("/api/v1/projects", json=body, headers=key)).raise_for_status().json()
                clients += [Client(record, sessions, person, project) for _ in range(CLIENTS_EACH)]
        going = asyncio.create_task(faults(stack, record, dice))
        await asyncio.gather(*(client.go_on(dice) for client in clients))
        going.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going
    return record


def _as(stack: Stack, person: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.token(person)}"}


async def faults(stack: Stack, record: Record, dice: random.Random) -> None:
    """Kill and pause in turn, in an order of its own each round, until cancelled."""
    kinds = ["kill projects", "pause projects", "kill redis-server", "pause redis-server"]
    while True:
        dice.shuffle(kinds)
        for kind in kinds:
            verb, _, what = kind.partition(" ")
            with contextlib.suppress(LookupError, ProcessLookupError):  # its supervisor is just starting it again
                pid = stack.pid_of(*((what, "serve") if what == "projects" else (what,)))
                os.kill(pid, signal.SIGKILL if verb == "kill" else signal.SIGSTOP)
                record.faults[kind] += 1
                if verb == "pause":
                    try:
                        await asyncio.sleep(PAUSE_S)
                    finally:
                        os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(BETWEEN_FAULTS_S)


def main() -> int:
    """Interleave, and print the figures; 1 if something is not explained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            running_stack(folder, {"NEOFORGE_QUOTAS": QUOTAS}) as stack,
            another_gateway(stack, folder) as second,
        ):
            record = asyncio.run(interleave(stack, [stack.url, second], asked.operations, asked.seed))
    print(record.report(), *record.faulty()[:10], sep="\n")
    return 1 if record.faulty() else 0


if __name__ == "__main__":
    sys.exit(main())
