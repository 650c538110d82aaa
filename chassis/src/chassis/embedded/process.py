"""A child process with a log file that dies with its parent, and the faults that starting one can have."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from chassis.embedded import launch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

POLL_SECONDS = 0.02


class EmbeddedError(Exception):
    """A part could not be made ready or started; the message is one for a person, and says what to do if it can."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a program: what the supervisor of the local stack and a test's fixture both need to know."""

    program: Sequence[str | Path]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """What the program gets when its parent is killed."""
    user: int | None = None
    reach: bool = False
    """Whether `user` needs to get through folders that are closed to it."""

    def arguments(self) -> list[str]:
        """The complete command line, by way of the launcher."""
        return launch.command(self.program, death_signal=self.death_signal, user=self.user, reach=self.reach)


class Process:
    """A running program in a process group of its own, so that a Ctrl-C at the terminal does not reach it."""

    def __init__(self, name: str, command: Command, log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        with log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 - the program comes from an installed package
                command.arguments(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(command.environment),
                process_group=0,
            )
        self.pid = self._child.pid

    @classmethod
    def started(cls, name: str, command: Command, log: Path, ready: Callable[[], bool], seconds: float) -> Self:
        """A program that has answered; raises EmbeddedError with the end of its log if it ends or is not in time."""
        process = cls(name, command, log)
        deadline = time.monotonic() + seconds
        while not ready():
            if (status := process._child.poll()) is not None:
                raise EmbeddedError(f"{name} ended with status {status} while starting.\n{last_lines(log)}")
            if time.monotonic() > deadline:
                process.stop(grace=1)
                raise EmbeddedError(f"{name} was not ready within {seconds:g} s.\n{last_lines(log)}")
            time.sleep(POLL_SECONDS)
        return process

    def stop(self, grace: float = 10) -> None:
        """Ask the program to end, and after `grace` seconds kill its whole group."""
        if self._child.poll() is None:
            self._child.send_signal(self._command.stop_signal)
            try:
                self._child.wait(grace)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()


def last_lines(log: Path, count: int = 12) -> str:
    """Where a log file lies and how it ends, for the message that somebody reads when a part has died."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode(errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(
        [f"Its log is {log}, and ends:" if lines else f"Its log is {log}.", *(f"  {line}" for line in lines)]
    )
