"""The supervisor's children: programs that it starts, and Python modules that the nursery forks for it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from chassis.embedded.process import Command, last_lines
from devstack.errors import StackError
from devstack.nursery.forking import DIGITS, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Module:
    """How to run a Python module, as `python -m` does."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    """What it gets when the supervisor is killed."""


class Child(Protocol):
    """A process that was started; asyncio's own are such."""

    @property
    def pid(self) -> int:
        """Its number, which is also its group's."""

    @property
    def returncode(self) -> int | None:
        """Its exit status, less than 0 for a signal; None while it runs."""

    async def wait(self) -> int:
        """Give its exit status once it has ended."""

    def send_signal(self, signal: int, /) -> None:
        """Send it a signal; raises ProcessLookupError where it has ended."""


async def spawned(command: Command, log: Path, stdin: int = asyncio.subprocess.DEVNULL) -> Child:
    """A program that has been started, in the calling thread: a child dies with the thread that started it."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *command.arguments(),
            stdin=stdin,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(command.environment),
            process_group=0,
        )


@dataclass(slots=True)
class _Forked:
    pid: int
    ending: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def returncode(self) -> int | None:
        return self.ending.result() if self.ending.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self.ending)

    def send_signal(self, signal: int, /) -> None:
        if self.ending.done():
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, signal)  # the number is nobody else's before we have asked for its status


class Nursery:
    """The process that forks parts (ADR 16). Should it die, the parts live on, and the next one asked for starts it."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._process: Child | None = None
        self._channel: socket.socket | None = None
        self._one_at_a_time = asyncio.Lock()
        self._children: list[_Forked] = []
        self._stopping = False

    async def start(self) -> None:
        """Start it if it does not run; its imports take a few seconds, for which only those who fork wait."""
        if self._stopping or (self._process is not None and self._process.returncode is None):
            return
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._look)
        if self._channel is not None:
            self._channel.close()
        self._channel, its = socket.socketpair()
        self._channel.setblocking(False)
        with its:
            command = Command([sys.executable, "-m", "devstack.nursery"], self._environment)
            self._process = await spawned(command, self._log, its.fileno())

    async def fork(self, module: Module, log: Path) -> Child:
        """A child that runs the module; raises StackError if there is none to be had."""
        environment = dict(module.environment)
        request = Request(module.name, module.arguments, environment, str(log), os.getpid(), module.death_signal)
        # Whoever asked may be cancelled, but the answer has to be read before the next one asks.
        child = await asyncio.shield(self._forked(request))
        if child is None:
            raise StackError(f"The process that forks the others did not fork {module.name}.\n{last_lines(self._log)}")
        return child

    async def _forked(self, request: Request) -> Child | None:
        async with self._one_at_a_time:
            number = await self._ask(request) or await self._ask(request)  # it may have died since it last forked
            if not number:
                return None
            child = _Forked(number)
            self._children.append(child)
            self._look()  # it may have ended before we knew it
            return child

    async def _ask(self, request: Request) -> int:
        """The number of a new child; 0 if the nursery forked none."""
        await self.start()
        if self._stopping or self._process is None or self._channel is None:
            return 0
        loop = asyncio.get_running_loop()
        with _adopting(), suppress(ConnectionError):
            await loop.sock_sendall(self._channel, request.line())
            if reply := await loop.sock_recv(self._channel, DIGITS):
                return int(reply.strip() or 0)
        await self._process.wait()
        return 0

    def _look(self) -> None:
        """Take the status of children that have ended; others than ours are not ours to ask for."""
        for child in tuple(self._children):
            number, status = os.waitpid(child.pid, os.WNOHANG)
            if number:
                self._children.remove(child)
                child.ending.set_result(os.waitstatus_to_exitcode(status))

    async def stop(self) -> None:
        """End the nursery, and children that whoever asked for them did not wait for."""
        self._stopping = True
        if self._process is None or self._channel is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)  # there is nothing that it would have to put away
        await self._process.wait()
        async with self._one_at_a_time:
            self._channel.close()
        for child in tuple(self._children):
            child.send_signal(signal.SIGKILL)
            await child.wait()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGCHLD)


@contextmanager
def _adopting() -> Iterator[None]:
    """Inherit processes whose parent ends meanwhile.

    Not for longer: the orphans of a killed part are the system's to bury, as they are without us.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
