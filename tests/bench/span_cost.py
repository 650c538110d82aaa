"""What spans cost: CPU per request of the gateway and the service, with traces and without.

    .venv/bin/python tests/bench/span_cost.py --requests 2000

Two stacks of `make up` run one after the other: one that records nothing (`always_off`, as without a collector), one
that records every request and sends its spans to the trace page (the default). CPU is the processes' own, user and
system, the exporting thread included; of some rounds the cheapest counts, since other work on the machine only adds.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import httpx

from devstack import testing
from devstack.testing import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECTS: Final = "/api/v1/projects"
PARTS: Final = (("gateway", "serve"), ("projects", "serve"))
QUOTAS: Final = "reads=1000000/60,writes=1000000/60"
BUDGET: Final = 0.10
SETTLED_S: Final = 6.0
"""After this long spans have been exported; the default delay is five seconds."""


def cpu_s(stack: Stack) -> list[float]:
    """Give the CPU seconds that each part has used."""
    used = []
    for words in PARTS:
        fields = Path(f"/proc/{stack.pid_of(*words)}/stat").read_text().rpartition(")")[2].split()
        used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return used


def measure(stack: Stack, requests: int, rounds: int) -> dict[str, float]:
    """Give CPU per request in microseconds, of both parts together, by kind of request."""
    with stack.client("tomas") as client:

        def create() -> httpx.Response:
            body = {"name": f"Cost {uuid4().hex}"}
            return client.post(PROJECTS, json=body, headers={"Idempotency-Key": f'"{uuid4()}"'})

        item = f"{PROJECTS}/{create().json()['id']}"
        kinds: dict[str, Callable[[], httpx.Response]] = {
            "GET by id": lambda: client.get(item),
            "list of 20": lambda: client.get(PROJECTS, params={"page_size": 20}),
            "create": create,
        }
        cheapest = dict.fromkeys(kinds, float("inf"))
        for _ in range(rounds):
            for kind, ask in kinds.items():
                before = cpu_s(stack)
                for _ in range(requests):
                    ask().raise_for_status()
                time.sleep(SETTLED_S)
                used = sum(cpu_s(stack)) - sum(before)
                cheapest[kind] = min(cheapest[kind], used / requests * 1e6)
    return cheapest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    testing.START_S = 900  # CPU is measured on a busy machine too
    measured = []
    for sampler in ("always_off", "parentbased_always_on"):
        with tempfile.TemporaryDirectory() as data:
            environment = {"OTEL_TRACES_SAMPLER": sampler, "NEOFORGE_QUOTAS": QUOTAS}
            with running_stack(Path(data), environment) as stack:
                measured.append(measure(stack, options.requests, options.rounds))
    print(f"{'CPU per request':<16}{'without':>12}{'with':>12}{'more':>8}")
    without, with_traces = measured
    for kind, cost in without.items():
        share = with_traces[kind] / cost - 1
        print(
            f"{kind:<16}{cost:>9.0f} µs{with_traces[kind]:>9.0f} µs{share:>8.1%}{'' if share <= BUDGET else '  over'}"
        )


if __name__ == "__main__":
    main()
