"""Records what the rules see of a running stack, healthy and with a fault, for test_replay.py. A program for a person.

    NEOFORGE_DATA=/some/folder make up PORT=18300
    .venv/bin/python -m tests.ops.record /some/folder 18300 PID   # of `devstack up`

It kills the community service, makes the database slow by 300 ms, and floods, each for a while. What it writes is the
rate of each counter and the last value of each gauge, in health and in the fault, as they were scraped.
"""

import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import httpx
from ops.catalogue import names_in, of_series, register
from tests.ops.watching import STRANGER, Prometheus, rules, use, watched

from devstack.testing import Stack

RECORDINGS = Path(__file__).parent / "recordings"
PHASE_S = 15
SETTLE_S, RECOVERY_S = 3, 12
PAUSE_S = 0.3
SLOW_S, AWAKE_S = 0.6, 0.03
BUCKETS = {"0.25", "250"}
"""All that the rules look at."""


@contextmanager
def killed(stack: Stack) -> Iterator[None]:
    """Have the community service die, and its supervisor not see it."""
    service = stack.pid_of("community", "serve")
    stack.process.send_signal(signal.SIGSTOP)
    os.kill(service, signal.SIGKILL)
    try:
        yield
    finally:
        stack.process.send_signal(signal.SIGCONT)


@contextmanager
def slow_database(stack: Stack) -> Iterator[None]:
    """Have the database's processes sleep for 600 ms and be awake for 30: a question waits 300 ms on average."""
    server = str(stack.pid_of("postgres"))
    over = threading.Event()

    def pulse() -> None:
        while not over.is_set():
            children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
            backends = [int(child) for child in children if b"127.0.0.1(" in _command(child)]
            _send(backends, signal.SIGSTOP)
            time.sleep(SLOW_S)
            _send(backends, signal.SIGCONT)
            time.sleep(AWAKE_S)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _command(process: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def _send(processes: list[int], sign: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, sign)


@contextmanager
def flood(stack: Stack) -> Iterator[None]:
    """Have one stranger ask for the status page without a pause, as fast as four of them may."""
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=stack.url, headers=STRANGER) as client:
            while not over.is_set():
                client.get("/api/v1/status")

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    try:
        yield
    finally:
        over.set()
        for asker in askers:
            asker.join()


FAULTS: dict[str, Callable[[Stack], AbstractContextManager[None]]] = {
    "healthy": lambda _: nullcontext(),
    "flood": flood,
    "slow-database": slow_database,
    "killed-service": killed,
}


def phase(stack: Stack, prometheus: Prometheus) -> dict[str, float]:
    """Have people at work for PHASE_S, and give every series that a rule reads: a rate, or the last value."""
    began = time.time() + SETTLE_S
    with stack.client("ines") as client:
        while time.time() < began + PHASE_S:
            with suppress(httpx.HTTPError, KeyError):
                use(client)
            time.sleep(PAUSE_S)
    known = of_series(register())
    seen = {}
    for name in sorted({name for rule in rules() for name in names_in(rule["expr"])} & known.keys()):
        counts = known[name].type != "gauge"
        for series in prometheus.ask(f"{name}[{PHASE_S}s]", at=began + PHASE_S):
            labels = {k: v for k, v in series["metric"].items() if k != "__name__"}
            values = [float(value) for _, value in series["values"]]
            if (
                labels.get("le", "0.25") not in BUCKETS
                or labels.get("envoy_http_conn_manager_prefix", "edge") != "edge"
            ):
                continue
            lasted = series["values"][-1][0] - series["values"][0][0]
            value = (values[-1] - values[0]) / lasted if counts and lasted else 0.0 if counts else values[-1]
            key = (
                name
                + "{"
                + ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items()) if k != "instance")
                + "}"
            )
            seen[key] = max(0.0, round(value, 4))
    return seen


def main() -> None:
    """Record the stack in health, then with each fault."""
    data, port, process = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    supervisor: Any = _Supervisor(process)
    stack = Stack(port, data, supervisor)
    RECORDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, watched(stack, Path(folder)) as prometheus:
        for name, fault in FAULTS.items():
            with fault(stack):
                recorded = phase(stack, prometheus)
            (RECORDINGS / f"{name}.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
            print(name, len(recorded))
            time.sleep(RECOVERY_S)


class _Supervisor:
    """A running `make up`, as Stack knows the one that it started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def send_signal(self, sign: signal.Signals) -> None:
        os.kill(self.pid, sign)


if __name__ == "__main__":
    main()
