"""What spans cost: CPU per request of the gateway and the service, with traces and without.

    .venv/bin/python tests/bench/span_cost.py --requests 2000

Stacks of `make up` run one after the other: one that records nothing (`always_off`, as without a collector), one that
records the default share of the traces, one that records all; spans are sent to the trace page. CPU is the processes'
own, user and system, the exporting thread included; of some rounds the cheapest counts, since other work on the
machine only adds.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import httpx

from chassis.sampling import RATIO
from devstack import testing
from devstack.testing import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECTS: Final = "/api/v1/projects"
PARTS: Final = (("gateway", "serve"), ("projects", "serve"))
QUOTAS: Final = "reads=1000000/60,writes=1000000/60"
SAMPLERS: Final = {"none": "always_off", "default": "parentbased_traceidratio", "all": "parentbased_always_on"}
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
    costs = {}
    for name, sampler in SAMPLERS.items():
        with tempfile.TemporaryDirectory() as data:
            environment = {
                "OTEL_TRACES_SAMPLER": sampler,
                "OTEL_TRACES_SAMPLER_ARG": str(RATIO),
                "NEOFORGE_QUOTAS": QUOTAS,
            }
            with running_stack(Path(data), environment) as stack:
                costs[name] = measure(stack, options.requests, options.rounds)
        print(name, {kind: f"{cost:.0f} µs" for kind, cost in costs[name].items()}, flush=True)
    for kind, without in costs["none"].items():
        more = {name: f"{cost[kind] / without - 1:+.1%}" for name, cost in costs.items() if name != "none"}
        print(f"{kind}: {more}{'' if costs['default'][kind] <= without * (1 + BUDGET) else '  over the budget'}")


if __name__ == "__main__":
    main()
