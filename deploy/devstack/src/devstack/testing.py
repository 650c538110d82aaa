"""A pytest plugin: the whole stack, as `make up` starts it, on ports of its own, once per test session."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import pytest

from chassis.embedded.ports import free_ports
from chassis.testing.otlp import OtlpReceiver
from devstack.folders import Folders
from devstack.ports import SPAN
from devstack.signin import Login, demo_login, new_session, refreshed

START_S = 240
SPARE_S = 60
CLEANUP_INTERVAL_S = 2
"""How often the clean-ups run in the stack of tests."""


@dataclass
class SignedIn(httpx.Auth):
    """Somebody's session: begun once, refreshed when its access token is about to expire."""

    url: str
    login: Login
    _tokens: dict[str, Any] = field(default_factory=dict)
    _good_until: float = 0
    _one_at_a_time: Lock = field(default_factory=Lock)

    def token(self) -> str:
        """Give an access token that is good for a minute at least."""
        with self._one_at_a_time:
            if time.monotonic() > self._good_until:
                self._renew()
            return str(self._tokens["access_token"])

    def _renew(self) -> None:
        if self._tokens:
            self._tokens = refreshed(self.url, self._tokens["refresh_token"])
        else:
            self._tokens = new_session(self.url, self.login)
        self._good_until = time.monotonic() + self._tokens["expires_in"] - SPARE_S

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send a request as this person."""
        request.headers["Authorization"] = f"Bearer {self.token()}"
        yield request


@dataclass(frozen=True)
class Stack:
    """A running stack: its base port, its folder, its supervisor."""

    port: int
    data: Path
    process: subprocess.Popen[bytes]
    _sessions: dict[str, SignedIn] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where its edge answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        """Where it answers over TLS, with a certificate of `authority`."""
        return f"https://localhost:{self.port + 40}"

    @property
    def authority(self) -> Path:
        """The certificate of who issued it."""
        return Folders(self.data).certificates / "ca.crt"

    def token(self, person: str) -> str:
        """Give an access token of a demo person that is good for a minute at least."""
        return self._session(person).token()

    def client(self, person: str | None = "ines") -> httpx.Client:
        """Give an HTTP client of the edge, signed in as a demo person unless that is None."""
        return httpx.Client(base_url=self.url, auth=self._session(person) if person else None, timeout=30)

    def _session(self, person: str) -> SignedIn:
        return self._sessions.setdefault(person, SignedIn(self.url, demo_login(Folders(self.data), person)))

    def pid_of(self, *words: str) -> int:
        """Give the process of this stack whose command line has these words, programs by their names without a folder.

        Raises:
            LookupError: there is none.
        """
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (folder / "cmdline").read_bytes().decode().split("\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            # Redis writes its address into its own name.
            names = {word for argument in arguments for word in Path(argument).name.split()}
            if parent == self.process.pid and set(words) <= names:
                return int(folder.name)
        raise LookupError(words)

    def logs(self, part: str) -> str:
        """Give what a part has logged so far."""
        return (self.data / "logs" / f"{part}.log").read_text()


@contextmanager
def running_stack(data: Path, environment: Mapping[str, str], base: int | None = None) -> Iterator[Stack]:
    """Run a stack with its data in a folder while the context lasts; `environment` is added to this process's own.

    `base` is its base port, a free one unless it is given.
    """
    base = base or free_ports(SPAN)
    log = data / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "devstack", "up", "--port", str(base)],
            env=os.environ | {"NEOFORGE_DATA": str(data), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + START_S
        while b"Ctrl-C stops everything" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Stack(base, data, process)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, log.read_text()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, otlp: OtlpReceiver) -> Iterator[Stack]:
    """The running stack; its traces, all of them, go to `otlp`."""
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_always_on",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        # No span is to be lost, however busy the machine is.
        "OTEL_BSP_MAX_QUEUE_SIZE": "65536",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
        "NEOFORGE_CLEANUP_INTERVAL_SECONDS": str(CLEANUP_INTERVAL_S),
    }
    with running_stack(tmp_path_factory.mktemp("stack"), environment) as running:
        yield running
