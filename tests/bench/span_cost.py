"""What spans cost: CPU per request of the gateway and the service, recorded and not.

    .venv/bin/python tests/bench/span_cost.py

One stack of `make up`, asked at its gateway. Blocks of requests whose caller says that their trace is recorded take
turns with blocks whose caller says that it is not (the flag in `traceparent`), so that whatever else the machine does
falls on both. CPU is the processes' own as the scheduler counts it, in nanoseconds, the exporting thread included.
"""

import argparse
import statistics
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

    Ask = Callable[[httpx.Client], httpx.Response]

PROJECTS: Final = "/api/v1/projects"
PARTS: Final = (("gateway", "serve"), ("projects", "serve"))
ENVIRONMENT: Final = {
    "OTEL_TRACES_SAMPLER": "parentbased_always_on",
    "OTEL_BSP_SCHEDULE_DELAY": "100",
    "NEOFORGE_QUOTAS": "reads=1000000/60,writes=1000000/60",
}
EXPORTED_S: Final = 0.5
BUDGET: Final = 0.10


def cpu_ns(stack: Stack) -> int:
    """Give the CPU time that all threads of both parts have had (proc(5): schedstat)."""
    return sum(
        int((task / "schedstat").read_text().split()[0])
        for words in PARTS
        for task in Path(f"/proc/{stack.pid_of(*words)}/task").iterdir()
    )


def block(stack: Stack, client: httpx.Client, ask: "Ask", requests: int, *, recorded: bool) -> float:
    """Give the microseconds of CPU per request of one block."""
    before = cpu_ns(stack)
    for _ in range(requests):
        client.headers["traceparent"] = f"00-{uuid4().hex}-{uuid4().hex[:16]}-0{int(recorded)}"
        ask(client).raise_for_status()
    time.sleep(EXPORTED_S)
    return (cpu_ns(stack) - before) / requests / 1000


def create(client: httpx.Client) -> httpx.Response:
    """Make a project."""
    body = {"name": f"Cost {uuid4().hex}"}
    return client.post(PROJECTS, json=body, headers={"Idempotency-Key": f'"{uuid4()}"'})


def measure(stack: Stack, requests: int, rounds: int) -> None:
    """Print what each kind of request costs both ways, the median of all blocks."""
    headers = {"Authorization": f"Bearer {stack.token('tomas')}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{stack.port + 1}", headers=headers, timeout=60) as client:
        item = f"{PROJECTS}/{create(client).json()['id']}"
        kinds: dict[str, Ask] = {
            "GET by id": lambda c: c.get(item),
            "list of 20": lambda c: c.get(PROJECTS, params={"page_size": 20}),
            "create": create,
        }
        for name, ask in kinds.items():
            block(stack, client, ask, requests, recorded=True)
            pairs = [
                [block(stack, client, ask, requests, recorded=recorded) for recorded in (False, True)]
                for _ in range(rounds)
            ]
            without, recorded = (statistics.median(costs) for costs in zip(*pairs, strict=True))
            more = recorded / without - 1
            verdict = "" if RATIO * more <= BUDGET else ", over the budget"
            print(
                f"{name:<12}{without:>7.0f} µs, recorded {recorded:>7.0f} µs ({more:+.1%});"
                f" at the default ratio {RATIO * more:+.1%}{verdict}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100, help="of a block")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of blocks of each kind")
    options = parser.parse_args()
    testing.START_S = 900  # CPU is measured on a busy machine too
    with tempfile.TemporaryDirectory() as data, running_stack(Path(data), ENVIRONMENT) as stack:
        measure(stack, options.requests, options.rounds)


if __name__ == "__main__":
    main()
