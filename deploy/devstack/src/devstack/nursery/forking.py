"""The nursery's work: a line of JSON comes in, a child is forked, its number goes out.

The child is to be the supervisor's own, which starts it again, stops it, and takes it along when it dies. So the
nursery forks twice; the process between ends at once, and the supervisor, a subreaper for that moment (prctl(2),
PR_SET_CHILD_SUBREAPER), inherits the child. The child waits for that before it does anything, since whoever is its
parent when it asks for a parent-death signal is the one that the signal is about.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from setproctitle import getproctitle, setproctitle, setthreadtitle

from chassis import memory

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
DIGITS = 32  # of a process's number, at most
GO = b"+"
END = b"\n"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to run: `python -m module arguments`, in exactly this environment, writing to `log`."""

    module: str
    arguments: Sequence[str]
    environment: dict[str, str]
    log: str
    parent: int
    """The process whose child it becomes."""
    death_signal: int
    """What it gets when that one is killed."""

    def line(self) -> bytes:
        """The request as it is sent."""
        return json.dumps(asdict(self)).encode() + END


def until_forked(supervisor: socket.socket) -> Request | None:
    """Fork for each request; returns None in the nursery when nobody can ask any more, and its request in a child."""
    getproctitle()  # finds the room for a title, which is harder once the environment has changed
    memory.settle()  # what all share is not looked at, and so not copied, by any child's collector
    requests = supervisor.makefile("rb")
    for line in requests:
        request = Request(**json.loads(line))
        ours, childs = socket.socketpair()
        if _forked_twice():
            ours.close()
            requests.close()
            supervisor.close()
            _wait_for_adoption(childs, request)
            return request
        childs.close()
        number = ours.recv(DIGITS)
        supervisor.sendall(number + END)
        if number:
            ours.sendall(GO)
        ours.close()
    return None


def _forked_twice() -> bool:
    """Whether this is the child; in the nursery the process between has ended when this returns."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return False
    try:
        child = os.fork()
    except OSError:
        os._exit(1)
    if child:
        os._exit(0)
    return True


def _wait_for_adoption(nursery: socket.socket, request: Request) -> None:
    """Tell our number, and wait for the word that the process between is gone and that the supervisor knows of us."""
    os.setpgid(0, 0)
    nursery.sendall(str(os.getpid()).encode())
    told = nursery.recv(len(GO))
    nursery.close()
    if told != GO or ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, request.death_signal, 0, 0, 0) != 0:
        os._exit(1)
    if os.getppid() != request.parent:
        os._exit(1)  # the supervisor died before the kernel was asked to tell


def become(request: Request) -> None:
    """Be the module's process from here on."""
    with Path(os.devnull).open("rb") as nothing, Path(request.log).open("ab") as log:
        os.dup2(nothing.fileno(), 0)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    # A shell starts what is to run beside it with SIGINT ignored, and a child of ours is to be a process as any other.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = [request.module, *request.arguments]
    sys.orig_argv = [sys.executable, "-m", *sys.argv]
    setproctitle(" ".join(sys.orig_argv))
    setthreadtitle(Path(sys.executable).name)
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)
