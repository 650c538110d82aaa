"""The stack's one data folder: what lies where in it, who may use it, and the secrets in it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chassis.embedded.private_file import kept_secret
from devstack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).parents[4]
LOGS_KEPT = 3


@dataclass(frozen=True, slots=True)
class Folders:
    """The data folder and its rooms."""

    data: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Folders:
        """`.data` in the checkout, unless NEOFORGE_DATA names another."""
        return cls(Path(environment.get("NEOFORGE_DATA") or CHECKOUT / ".data").absolute())

    @property
    def logs(self) -> Path:
        """A file per part."""
        return self.data / "logs"

    @property
    def run(self) -> Path:
        """What belongs to one run: the lock, Envoy's configuration."""
        return self.data / "run"

    @property
    def secrets(self) -> Path:
        """Passwords and keys, made once."""
        return self.data / "secrets"

    @property
    def certificates(self) -> Path:
        """The local authority and a folder per process."""
        return self.data / "certificates"

    def make(self) -> None:
        """Make the rooms; raises StackError if this user may not."""
        try:
            for folder in (self.data, self.logs, self.run):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.secrets, self.certificates):
                folder.mkdir(mode=0o700, exist_ok=True)
            for folder in (self.data, self.logs, self.run, self.secrets, self.certificates):
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    raise PermissionError(f"{folder} belongs to {folder.owner()}")
        except (OSError, KeyError) as error:
            raise StackError(
                f"The data folder {self.data} cannot be used: {error}. "
                "Give it to this user, or name another with NEOFORGE_DATA=/some/folder."
            ) from error

    def secret(self, name: str) -> str:
        """The secret of that name, made at the first call."""
        return kept_secret(self.secrets / name)

    def new_log(self, part: str) -> Path:
        """An empty log file for a part; the ones before it stay as .1 to .3."""
        log = self.logs / f"{part.lower().replace(' ', '-')}.log"
        for age in range(LOGS_KEPT, 0, -1):
            older = log if age == 1 else log.with_name(f"{log.name}.{age - 1}")
            if older.exists():
                older.replace(log.with_name(f"{log.name}.{age}"))
        log.touch()
        return log

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the data folder for this stack alone; raises StackError naming the process that holds it."""
        with (self.run / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"A stack runs on {self.data} already (process {lock.read().strip()}). "
                    "Stop it with Ctrl-C, or start another with NEOFORGE_DATA=/some/folder make up PORT=9080."
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
            lock.truncate(0)
