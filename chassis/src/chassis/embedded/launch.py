"""Become another program that dies with its parent, as another user where asked.

This file is run by path with the standard library alone, between `fork` and the program, because the kernel forgets
the parent-death signal when a process changes its user, and because code between `fork` and `exec` inside a
multi-threaded parent is unsafe.

The signal comes when the *thread* that started the child ends (prctl(2), PR_SET_PDEATHSIG): start programs from the
main thread.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def command(
    program: Sequence[str | Path],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    user: int | None = None,
    reach: bool = False,
) -> list[str]:
    """The command line that starts `program` so that `death_signal` ends it when the calling thread ends.

    `user` is the numeric user and group to become; with `reach` that user may search and read folders that are closed
    to it, as the user it was started by could.
    """
    options = [f"--parent={os.getpid()}", f"--death-signal={int(death_signal)}"]
    if user is not None:
        options.append(f"--user={user}")
    if reach:
        options.append("--reach")
    # Isolated and without site packages: this is on the way of every start, and takes 15 ms instead of 60.
    return [sys.executable, "-I", "-S", __file__, *options, "--", *map(str, program)]


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _become(libc: ctypes.CDLL, user: int, *, reach: bool) -> None:
    """Change to `user`, keeping one capability for closed folders where asked (capabilities(7), "Ambient")."""
    header, sets, kept = _Header(CAPABILITY_VERSION_3, 0), (_Sets * 2)(), -1
    if reach:
        _checked(libc.capget(ctypes.byref(header), sets), "capget")
        kept = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if sets[0].permitted & 1 << c), -1)
        if kept < 0:
            raise PermissionError("neither CAP_DAC_READ_SEARCH nor CAP_DAC_OVERRIDE is permitted")
        # Without this bit access(2) forgets capabilities of a user other than root, and initdb asks access(2).
        _checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl(PR_SET_SECUREBITS)")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if reach:
        sets[0].effective = sets[0].permitted = sets[0].inheritable = 1 << kept
        sets[1].effective = sets[1].permitted = sets[1].inheritable = 0
        _checked(libc.capset(ctypes.byref(header), sets), "capset")
        _checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, kept, 0, 0), "prctl(PR_CAP_AMBIENT)")


def main() -> None:
    """Take the place of this process by the program that stands after `--`."""
    parser = argparse.ArgumentParser(prog="launch")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--user", type=int)
    parser.add_argument("--reach", action="store_true")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()

    libc = ctypes.CDLL(None, use_errno=True)
    if options.user is not None:
        _become(libc, options.user, reach=options.reach)
    _checked(libc.prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != options.parent:
        sys.exit(1)  # the parent died before the kernel was asked to tell
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    try:
        os.execv(options.program[0], options.program)  # noqa: S606 - to become the program is the purpose of this file
    except OSError as error:
        sys.exit(f"{options.program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
