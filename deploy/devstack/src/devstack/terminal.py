"""What a person sees while the stack starts, runs and stops."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console


class Terminal:
    """Lines with the time each step took; a spinner too where there is a terminal."""

    def __init__(self) -> None:
        self._console: Console | None = None
        if isinstance(sys.stdout, TextIOWrapper):
            with suppress(OSError):
                sys.stdout.reconfigure(errors="replace")  # an old terminal shows a question mark where it has no letter
        if sys.stdout.isatty():
            from rich.console import Console  # noqa: PLC0415 - 8 MB that a log file has no use for

            self._console = Console(highlight=False)

    def say(self, line: str = "", style: str | None = None) -> None:
        """Print a line. A terminal that is gone (SIGHUP) is no reason to fail."""
        with suppress(OSError):
            if self._console is None:
                print(line, flush=True)
            else:
                self._console.print(line, style=style, markup=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """Print something that went wrong and was dealt with."""
        self.say(f"  ! {line}", "yellow")

    def fail(self, message: str) -> None:
        """Print what stops the stack, to the error stream."""
        with suppress(OSError):
            print(f"\n{message}", file=sys.stderr, flush=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Show that a step is on its way, and how long it took once it is done."""
        begun = time.monotonic()
        if self._console is None:
            yield
            self.say(f"  {name:<44} {time.monotonic() - begun:5.1f} s")
            return
        with self._console.status(name, spinner="dots"):
            yield
        self.say(f"  ✓ {name:<42} {time.monotonic() - begun:5.1f} s")
