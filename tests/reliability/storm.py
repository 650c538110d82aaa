"""Writes that each cause a mail and a webhook, while what carries them is killed, paused, flushed and restarted.

`python tests/reliability/storm.py --writes 2000` prints the figures of docs/reliability.md. The schedule of faults is
drawn from a seed; the parts are real processes: the stack of `make up`, and beside its worker (consumer, relay and
scheduler in one) a consumer, a relay and a scheduler of their own.
"""

import argparse
import asyncio
import collections
import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from redis import Redis
from redis.exceptions import RedisError

from chassis.embedded.ports import free_port
from chassis.testing.receiver import Receiver
from devstack import stack as layout
from devstack.folders import Folders
from devstack.ports import Ports
from devstack.signin import Login, access_token, bearer, new_personal_token
from devstack.testing import Stack, running_stack

PER_OWNER = 100
"""Invitations that a project may have pending."""
SETTLE_S = 240
PAUSE_S = 1.5
BETWEEN_FAULTS_S = 4.0
ROLES = ("consumer", "relay", "scheduler")
KINDS = (
    *(f"{verb} {role}" for role in ROLES for verb in ("kill", "pause")),
    *("kill worker", "pause worker", "kill redis", "pause redis", "flush"),
)


@dataclass
class Outcome:
    """What came of a storm."""

    writes: int = 0
    write_seconds: float = 0.0
    settled_seconds: float = 0.0
    retried_writes: int = 0
    faults: collections.Counter[str] = field(default_factory=collections.Counter)
    mails: collections.Counter[str] = field(default_factory=collections.Counter)
    """Deliveries by recipient."""
    message_ids: dict[str, set[str]] = field(default_factory=dict)
    """Message-IDs by recipient."""
    accepted: collections.Counter[str] = field(default_factory=collections.Counter)
    """Accepted webhook posts by webhook-id."""

    def report(self) -> str:
        """Give the figures as lines."""
        again = sum(count - 1 for count in self.mails.values())
        twice = sum(count - 1 for count in self.accepted.values())
        return "\n".join(
            [
                f"writes                         {self.writes} ({self.retried_writes} sent again after a fault)",
                f"writing took                   {self.write_seconds:.0f} s",
                f"all settled after              {self.settled_seconds:.0f} s",
                "faults                         " + ", ".join(f"{n} x {kind}" for kind, n in self.faults.most_common()),
                f"recipients with a mail         {len(self.mails)}",
                f"mails by Message-ID            {sum(map(len, self.message_ids.values()))} ({again} delivered again)",
                f"webhook ids accepted           {len(self.accepted)} ({twice} posted again under the same id)",
            ]
        )


class Parts:
    """A consumer, a relay and a scheduler as processes of their own, started again when they are killed."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        parts = layout.Stack.of(Folders(stack.data), Ports(stack.port), os.environ)
        projects = next(service for service in parts.services if service.name == "projects")
        self._environment = {**parts.python_environment(), **parts.service_environment(projects)}
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, role: str) -> None:
        """Start a role (again)."""
        with (self._folder / f"{role}.log").open("ab") as log:
            self._processes[role] = subprocess.Popen(
                [sys.executable, "-m", "projects", "worker", "--only", role],
                env=self._environment | {"NEOFORGE_OPS_LISTEN": f"127.0.0.1:{free_port()}"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self, role: str) -> None:
        """End a role as a crash does."""
        self._processes[role].kill()
        self._processes[role].wait()

    def send(self, role: str, sign: signal.Signals) -> None:
        """Send a signal to a role."""
        self._processes[role].send_signal(sign)

    def stop(self) -> None:
        """End all roles."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes.values():
            process.wait(timeout=60)


async def faults(stack: Stack, parts: Parts, redis: Redis, dice: random.Random, outcome: Outcome) -> None:
    """Do one fault after another, each kind in turn and in an order of its own each round, until cancelled."""
    kinds = [
        *(f"kill {r}" for r in ROLES),
        *(f"pause {r}" for r in ROLES),
        "kill worker",
        "kill redis",
        "flush",
        "pause redis",
    ]
    while True:
        dice.shuffle(kinds)
        for kind in kinds:
            await _fault(kind, stack, parts, redis)
            outcome.faults[kind] += 1
            await asyncio.sleep(BETWEEN_FAULTS_S)


async def _fault(kind: str, stack: Stack, parts: Parts, redis: Redis) -> None:
    verb, _, what = kind.partition(" ")
    if kind == "flush":
        with contextlib.suppress(RedisError):  # it is just being started again, and empty
            await asyncio.to_thread(redis.flushall)
    elif what in ROLES and verb == "kill":
        parts.kill(what)
        parts.start(what)
    elif what in ROLES:
        parts.send(what, signal.SIGSTOP)
        await asyncio.sleep(PAUSE_S)
        parts.send(what, signal.SIGCONT)
    else:
        words = ("projects", "worker") if what == "worker" else ("redis-server",)
        pid = await _pid(stack, *words)
        os.kill(pid, signal.SIGKILL if verb == "kill" else signal.SIGSTOP)
        if verb == "pause":
            await asyncio.sleep(PAUSE_S)
            os.kill(pid, signal.SIGCONT)


async def _pid(stack: Stack, *words: str) -> int:
    while True:
        try:
            return stack.pid_of(*words)
        except LookupError:  # its supervisor is just starting it again
            await asyncio.sleep(0.1)


class Owner:
    """One person with a project, a webhook, and invitations to send."""

    def __init__(self, number: int, client: httpx.AsyncClient, outcome: Outcome) -> None:
        self._number = number
        self._client = client
        self._outcome = outcome
        self._path = ""

    async def prepare(self, receiver: str) -> None:
        """Make webhook and project."""
        webhook = {"url": receiver, "events": ["project.member_invited"]}
        await self._post("/api/v1/webhooks", webhook)
        project = await self._post("/api/v1/projects", {"name": f"Storm {self._number}"})
        self._path = f"/api/v1/projects/{project['id']}/invitations"

    async def invite(self, number: int) -> str:
        """Invite one person; give their address."""
        address = f"guest-{self._number}-{number}@example.test"
        await self._post(self._path, {"email": address, "role": "viewer", "language": "en"})
        self._outcome.writes += 1
        return address

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a write until it is answered, each time with the same key: what a careful client does."""
        key = {"Idempotency-Key": f'"{uuid4()}"'}
        while True:
            try:
                answer = await self._client.post(path, json=body, headers=key)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                told: dict[str, Any] = answer.json()
                return told
            if answer is not None and answer.status_code not in {409, 429, 502, 503, 504}:
                raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
            self._outcome.retried_writes += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", 1)) if answer is not None else 1)


@asynccontextmanager
async def owners(stack: Stack, count: int, outcome: Outcome) -> AsyncIterator[list[Owner]]:
    """Give so many people, each with an account and signed in."""
    async with AsyncExitStack() as clients:
        made = []
        for number in range(count):
            login = Login(f"owner-{number}@example.test", secrets.token_urlsafe())
            token = await asyncio.to_thread(_account, stack, login)
            client = httpx.AsyncClient(base_url=stack.url, headers=bearer(token), timeout=30)
            made.append(Owner(number, await clients.enter_async_context(client), outcome))
        yield made


def _account(stack: Stack, login: Login) -> str:
    """Make an account; give a token of it that lasts as long as the storm."""
    command = [sys.executable, "-m", "devstack", "run", "--port", str(stack.port), "auth", "add-account", login.mail]
    environment = os.environ | {"NEOFORGE_DATA": str(stack.data)}
    subprocess.run(command, env=environment, input=f"{login.password}\n", text=True, check=True)
    return new_personal_token(stack.url, access_token(stack.url, login))


async def storm(stack: Stack, folder: Path, writes: int, seed: int) -> Outcome:
    """Let it storm over the stack; give what came of it once everything has settled.

    Raises:
        TimeoutError: something had not arrived SETTLE_S after the last write.
    """
    outcome = Outcome()
    dice = random.Random(seed)  # noqa: S311 - a repeatable schedule
    redis = Redis.from_url(f"redis://:{_password(stack)}@127.0.0.1:{stack.port + 4}/0")
    parts = Parts(stack, folder)
    count = -(-writes // PER_OWNER)
    async with Receiver() as receiver, owners(stack, count, outcome) as people:
        for owner in people:
            await owner.prepare(receiver.url)
        for role in ROLES:
            parts.start(role)
        try:
            storming = asyncio.create_task(faults(stack, parts, redis, dice, outcome))
            begun = time.monotonic()
            pace = asyncio.Semaphore(8)

            async def one(owner: Owner, number: int) -> str:
                async with pace:
                    address = await owner.invite(number)
                    # Spread over several rounds of faults, not done before the first.
                    await asyncio.sleep(dice.uniform(0.1, 0.5))
                    return address

            work = [one(people[i % count], i // count) for i in range(writes)]
            addresses = set(await asyncio.gather(*work))
            outcome.write_seconds = time.monotonic() - begun
            storming.cancel()
            with contextlib.suppress(asyncio.CancelledError):  # anything else went wrong with a fault itself
                await storming
            for role in ROLES:
                parts.send(role, signal.SIGCONT)
            await _settle(stack, receiver, addresses, count, outcome)
            outcome.settled_seconds = time.monotonic() - begun
        finally:
            parts.stop()
    return outcome


async def _settle(stack: Stack, receiver: Receiver, addresses: set[str], count: int, outcome: Outcome) -> None:
    async with asyncio.timeout(SETTLE_S), httpx.AsyncClient() as client:
        while True:
            _count(await _caught(stack, client, count), receiver, outcome)
            if addresses <= set(outcome.mails) and len(outcome.accepted) >= len(addresses):
                return
            await asyncio.sleep(1)


async def _caught(stack: Stack, client: httpx.AsyncClient, count: int) -> Sequence[dict[str, Any]]:
    """Give the mails to the guests of all owners."""
    mails: list[dict[str, Any]] = []
    for number in range(count):
        answer = await client.get(f"http://127.0.0.1:{stack.port + 6}/api/mails", params={"search": f"guest-{number}-"})
        mails += answer.json()["mails"]
    return mails


def _count(mails: Sequence[dict[str, Any]], receiver: Receiver, outcome: Outcome) -> None:
    outcome.mails.clear()
    outcome.message_ids.clear()
    outcome.accepted.clear()
    for mail in mails:
        for recipient in mail["to"]:
            if recipient.startswith("guest-"):
                outcome.mails[recipient] += 1
                outcome.message_ids.setdefault(recipient, set()).add(mail["message_id"])
    for post in receiver.arrived:
        outcome.accepted[post.headers["webhook-id"]] += 1


def _password(stack: Stack) -> str:
    return (stack.data / "redis" / "password").read_text().strip()


def main() -> None:
    """Run a storm and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_stack(folder, {"NEOFORGE_QUOTAS": "writes=100000/60"}) as stack:
            outcome = asyncio.run(storm(stack, folder, asked.writes, asked.seed))
    print(outcome.report())


if __name__ == "__main__":
    main()
