"""Records what the rules see of a running stack, healthy and with a fault, for test_replay.py. A program for a person.

    .venv/bin/python -m tests.ops.record                    # all of them, 10 minutes
    .venv/bin/python -m tests.ops.record slow-database      # one

It starts a stack of its own, whose services reach the database through a proxy. People are at work at the same pace in
health and in each fault, whatever it does to them, as many people are: who waits does not keep others from coming. Then
it kills the community service, has the database's answers come 300 ms later, and floods. What it writes is the rate of
each counter and the last value of each gauge, as they were scraped. On a machine that does other things too it records
nothing: a busy one is slow by itself.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import httpx
from ops.catalogue import names_in, of_series, register
from ops.promises import WITHIN_MS
from tests.ops.slowway import SlowWay, slow_way
from tests.ops.watching import STRANGER, Prometheus, dead, rules, use, watched

from chassis.embedded.ports import free_ports
from devstack.ports import SPAN, Ports
from devstack.testing import Stack, running_stack

RECORDINGS = Path(__file__).parent / "recordings"
EVERY_S = 2.0
"""So often somebody begins to do what `use` does: some 10 requests a second, half of what one person may write."""
SETTLE_S, PHASE_S = 40, 40
"""The slowest round of a fault is over before what counts begins."""
AT_ONCE = 60
DELAY_S = 0.3
FLOOD_S = 1 / 60
"""Between two requests of the flood: twelve times what a stranger may, and no burden for the machine."""
BUSY = 0.03
"""In health, such a share of requests above what is promised is the machine's fault."""
BUCKETS = {f"{WITHIN_MS / 1000:g}", f"{WITHIN_MS}"}
"""All that the rules look at."""


@contextmanager
def killed(stack: Stack, _: SlowWay) -> Iterator[None]:
    """Have the community service die, and its supervisor not see it."""
    with dead(stack, "community", "serve"):
        yield


@contextmanager
def slow_database(_: Stack, way: SlowWay) -> Iterator[None]:
    """Have every answer of the database come 300 ms later."""
    way.delay_s = DELAY_S
    try:
        yield
    finally:
        way.delay_s = 0


@contextmanager
def flood(stack: Stack, _: SlowWay) -> Iterator[None]:
    """Have one stranger ask for the status page sixty times a second."""
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=stack.url, headers=STRANGER) as client:
            while not over.wait(FLOOD_S):
                client.get("/api/v1/status")

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        yield
    finally:
        over.set()
        asker.join()


FAULTS: dict[str, Callable[[Stack, SlowWay], AbstractContextManager[None]]] = {
    "healthy": lambda *_: nullcontext(),
    "flood": flood,
    "slow-database": slow_database,
    "killed-service": killed,
}


def phase(stack: Stack, prometheus: Prometheus) -> dict[str, float]:
    """Have people at work, and give every series that a rule reads over the last PHASE_S: a rate, or the last value."""
    began = time.time()
    with stack.client("ines") as client, ThreadPoolExecutor(AT_ONCE) as people:
        rounds = 0
        while time.time() < began + SETTLE_S + PHASE_S:
            people.submit(_work, client)
            rounds += 1
            time.sleep(max(0.0, began + rounds * EVERY_S - time.time()))
    return series(prometheus, at=began + SETTLE_S + PHASE_S)


def _work(client: httpx.Client) -> None:
    with suppress(httpx.HTTPError, KeyError):
        use(client)


def series(prometheus: Prometheus, at: float) -> dict[str, float]:
    """Give the series that the rules read, as they were in the PHASE_S before."""
    known = of_series(register())
    seen = {}
    for name in sorted({name for rule in rules() for name in names_in(rule["expr"])} & known.keys()):
        counts = known[name].type != "gauge"
        for found in prometheus.ask(f"{name}[{PHASE_S}s]", at=at):
            labels = {k: v for k, v in found["metric"].items() if k not in {"__name__", "instance"}}
            if "le" in labels and labels["le"] not in BUCKETS:
                continue
            if labels.get("envoy_http_conn_manager_prefix", "edge") != "edge":
                continue
            values = [float(value) for _, value in found["values"]]
            lasted = found["values"][-1][0] - found["values"][0][0]
            value = (values[-1] - values[0]) / lasted if counts and lasted else 0.0 if counts else values[-1]
            written = ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items()))
            seen[f"{name}{{{written}}}"] = max(0.0, round(value, 4))
    return seen


def slow(recorded: dict[str, float]) -> float:
    """Give the share of requests at the edge that took longer than is promised."""
    fast, every = (
        sum(rate for series, rate in recorded.items() if series.startswith(f"envoy_http_downstream_rq_time_{part}"))
        for part in ("bucket", "count")
    )
    return 1 - fast / every


def main() -> None:
    """Record the stack in health and with each fault, or in those states that the command line names."""
    asked = sys.argv[1:] or list(FAULTS)
    RECORDINGS.mkdir(exist_ok=True)
    base = free_ports(SPAN)
    with tempfile.TemporaryDirectory() as folder, slow_way(Ports(base).postgresql) as way:
        data, beside = Path(folder, "stack"), Path(folder, "prometheus")
        data.mkdir()
        beside.mkdir()
        # Redis that answers late, on a machine that is busy for a moment, is none of these faults.
        environment = {"NEOFORGE_DATABASE_VIA": str(way.port), "NEOFORGE_REDIS_PATIENCE_S": "0.5"}
        with running_stack(data, environment, base) as stack, watched(stack, beside) as prometheus:
            for name in dict.fromkeys(("healthy", *asked)):
                with FAULTS[name](stack, way):
                    recorded = phase(stack, prometheus)
                if name == "healthy" and (share := slow(recorded)) > BUSY:
                    sys.exit(f"The machine is busy: in health {share:.0%} of requests are slow. Nothing was recorded.")
                if name in asked:
                    (RECORDINGS / f"{name}.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
                    print(f"{name}: {len(recorded)} series, {slow(recorded):.1%} of requests slow", flush=True)


if __name__ == "__main__":
    main()
