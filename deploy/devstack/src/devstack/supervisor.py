"""Starts parts, starts them again when they die, and stops them in the opposite order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chassis import cancelling
from chassis.embedded.process import Command, EmbeddedError, last_lines
from devstack.children import Child, Module, Nursery, spawned
from devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from devstack.folders import Folders
    from devstack.terminal import Terminal

READY_POLL_SECONDS = 0.05
DEATHS = 5
DEATHS_WITHIN_SECONDS = 30
FIRST_BACKOFF_SECONDS = 0.1
GRACE_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the stack."""

    name: str
    command: Callable[[], Command | Module]
    ready: Callable[[], Awaitable[bool]]
    prepare: Callable[[], None] = lambda: None
    """What has to be done before each start, after a crash too."""
    seconds: float = 120
    """How long a start may take."""
    layer: int = 0
    """What stands on what: the highest layer is stopped first."""
    needed: bool = True
    """Whether the stack is stopped when this part keeps dying."""


@dataclass(slots=True)
class _Running:
    part: Part
    log: Path
    command: Command | Module | None = None
    child: Child | None = None
    watcher: asyncio.Task[None] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))


class Supervisor:
    """The parts that run. `failed` is set to the error that stops the stack, if one part keeps dying.

    `environment` is what Python modules have in common; each has its own in full.
    """

    def __init__(self, folders: Folders, terminal: Terminal, environment: Mapping[str, str]) -> None:
        self._folders = folders
        self._terminal = terminal
        self._nursery = Nursery(environment, folders.new_log("nursery"))
        self._running: list[_Running] = []
        self._stopping = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def prepare(self) -> None:
        """Have what all Python modules need imported in the meantime."""
        await self._nursery.start()

    async def start(self, *parts: Part) -> None:
        """Start parts together and wait until all are ready; raises StackError for the first that is not."""
        group = [_Running(part, self._folders.new_log(part.name)) for part in parts]
        self._running += group
        try:
            async with asyncio.TaskGroup() as starting:
                for running in group:
                    starting.create_task(self._start(running))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _start(self, running: _Running) -> None:
        await self._spawn(running)
        await self._until_ready(running)
        running.watcher = asyncio.create_task(self._watch(running))

    async def _spawn(self, running: _Running) -> None:
        part = running.part
        await asyncio.to_thread(part.prepare)
        command = running.command = part.command()
        if isinstance(command, Module):
            running.child = await self._nursery.fork(command, running.log)
        else:
            running.child = await spawned(command, running.log)

    async def _until_ready(self, running: _Running) -> None:
        part, child = running.part, running.child
        deadline = time.monotonic() + part.seconds
        while not await part.ready():
            if child is not None and child.returncode is not None:
                raise StackError(f"{part.name} {_ending(child.returncode)} while starting.\n{last_lines(running.log)}")
            if time.monotonic() > deadline:
                raise StackError(f"{part.name} was not ready within {part.seconds:g} s.\n{last_lines(running.log)}")
            await asyncio.sleep(READY_POLL_SECONDS)

    async def _watch(self, running: _Running) -> None:
        """Start the part again each time it dies, later each time, until it dies too often."""
        name = running.part.name
        while running.child is not None:
            status = await running.child.wait()
            if self._stopping:
                return
            _kill_group(running.child.pid)  # what it had started goes with it
            now = time.monotonic()
            running.deaths.append(now)
            recent = [death for death in running.deaths if now - death < DEATHS_WITHIN_SECONDS]
            if len(recent) == DEATHS:
                self._fail(f"{name} {_ending(status)}, the {DEATHS}th time within {DEATHS_WITHIN_SECONDS} s.", running)
                return
            self._terminal.warn(f"{name} {_ending(status)}; starting it again. Its log is {running.log}")
            await asyncio.sleep(FIRST_BACKOFF_SECONDS * 2 ** (len(recent) - 1))
            try:
                await self._spawn(running)
            except (OSError, EmbeddedError, StackError) as error:
                self._fail(f"{name} cannot be started again: {error}", running)
                return
            try:
                await self._until_ready(running)
            except StackError as error:  # if it died again, the next turn sees it
                self._terminal.warn(str(error).splitlines()[0])
            else:
                self._terminal.say(f"  {name} is back after {time.monotonic() - now:.1f} s")

    def _fail(self, message: str, running: _Running) -> None:
        if not running.part.needed:
            self._terminal.warn(f"{message} The stack goes on without it. Its log is {running.log}")
        elif not self.failed.done():
            self.failed.set_exception(StackError(f"{message}\n{last_lines(running.log)}"))

    async def run(self, name: str, command: Command | Module, seconds: float = 120) -> None:
        """Run a program to its end; raises StackError with the end of its log if that is no good one."""
        log = self._folders.new_log(name)
        step = Part(name, lambda: command, _never, seconds=seconds)
        running = _Running(step, log)
        self._running.append(running)
        await self._spawn(running)
        assert running.child is not None  # noqa: S101 - _spawn just set it
        try:
            async with asyncio.timeout(seconds):
                status = await running.child.wait()
        except TimeoutError:
            raise StackError(f"{name} did not end within {seconds:g} s.\n{last_lines(log)}") from None
        if status != 0:
            raise StackError(f"{name} {_ending(status)}.\n{last_lines(log)}")

    async def stop(self) -> None:
        """Stop everything, layer by layer from the top; a part that does not end in time is killed."""
        self._stopping = True
        for layer in sorted({running.part.layer for running in self._running}, reverse=True):
            await asyncio.gather(*(self._stop(running) for running in self._running if running.part.layer == layer))
        await self._nursery.stop()

    async def _stop(self, running: _Running) -> None:
        if running.watcher is not None:
            await cancelling.end(running.watcher)
        child = running.child
        if child is None or running.command is None:
            return
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.send_signal(running.command.stop_signal)
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await child.wait()
            except TimeoutError:
                self._terminal.warn(f"{running.part.name} did not stop within {GRACE_SECONDS} s and is killed.")
        _kill_group(child.pid)
        await child.wait()

    def kill(self) -> None:
        """End everything at once, without asking."""
        self._stopping = True
        for running in self._running:
            if running.child is not None and running.child.returncode is None:
                _kill_group(running.child.pid)


async def _never() -> bool:
    return False


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _ending(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    return f"was ended by {signal.Signals(-status).name}"
