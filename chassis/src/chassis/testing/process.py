"""A service as a process of its own, for tests of what only a real one does: start, drain, die."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from pydantic import SecretStr

from chassis.settings import PREFIX, ServiceSettings

WAIT_S: Final = 60.0


def environment(settings: ServiceSettings) -> dict[str, str]:
    """Give the settings as the environment that a process is started with."""
    return {
        f"{PREFIX}{name.upper()}": _written(value)
        for name, value in settings.model_dump().items()
        if value is not None and value != ()
    }


def _written(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


class ServiceProcess:
    """`python -m <service> <verb>`; `logged` are its log lines so far, `errors` what it wrote to stderr."""

    def __init__(self, service: str, verb: str, variables: Mapping[str, str]) -> None:
        # Coverage of the child is measured when that of this process is.
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"} or k.startswith("COV")}
        self.logged: list[dict[str, Any]] = []
        self.plain: list[str] = []
        self._arrivals: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._child = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-m", service, verb],
            env=kept | dict(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None  # noqa: S101 - it was asked for
        for line in self._child.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                self.plain.append(line.rstrip())  # what C libraries and tracebacks before logging say
            else:
                self.logged.append(event)
                self._arrivals.put(event)
        self._arrivals.put(None)

    def wait_for(self, message: str) -> dict[str, Any]:
        """Give the first log line not looked at yet whose message has this part.

        Raises:
            EOFError: the process ended before; its output is in the message.
            queue.Empty: nothing came for a minute.
        """
        while (event := self._arrivals.get(timeout=WAIT_S)) is not None:
            if message in event["message"]:
                return event
        raise EOFError(f"it ended without saying {message!r}: {self.logged} {self.plain}")

    def serving(self) -> Self:
        """Wait until it serves."""
        event = self.wait_for("serves")
        self.port: int = event["port"]
        self.ops_port: int = event["ops_port"]
        return self

    def send(self, sign: int) -> None:
        """Send a signal."""
        self._child.send_signal(sign)

    def ended(self) -> int:
        """Wait for its end and give the exit status, negative for a signal."""
        status = self._child.wait(WAIT_S)
        self._reader.join()
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self.ended()
        if self._child.stdout is not None:
            self._child.stdout.close()
