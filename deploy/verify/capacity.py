"""The model of capacity of docs/scaling.md, fed and tested: capacity.py URL PASSWORD MAIL...

First what a request costs in CPU, by container, from the accounts of the kernel: time spent waiting for a CPU that
others use is not in it, so a machine that is busy gives nearly the same figures. Then each gateway is bound to part of
a core, and what one and two of them answer is compared with what the model says. The people share the quota of reads.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import json
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from sign_in import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLERS = 8
REQUESTS = 1000
LABEL = "com.docker.compose.service"
SHARE = 0.08  # of a core, for each gateway: so little that it, and not the machine, is the limit
TEST_S = 20
LEAST = 1.6  # times as much, that two replicas must answer of what one does


def podman(*arguments: str) -> str:
    """Run podman and give what it says."""
    command = ["podman", *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603 - on PATH


def containers(service: str | None = None) -> list[dict[str, object]]:
    """The running containers of compose.yaml, or those of a service."""
    wanted = f"label={LABEL}={service}" if service else "label=io.podman.compose.project=neoforge"
    found: list[dict[str, object]] = json.loads(podman("ps", "--format", "json", "--filter", wanted))
    return found


def cpu_seconds() -> dict[str, float]:
    """CPU that each service of compose.yaml has used."""
    used: dict[str, float] = collections.defaultdict(float)
    for container in containers():
        for group in Path(f"/proc/{container['Pid']}/cgroup").read_text().splitlines():
            _, controllers, path = group.split(":", 2)
            service = container["Labels"][LABEL]  # type: ignore[index] # as podman writes it
            if "cpuacct" in controllers.split(","):
                used[service] += int(Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text()) / 1e9
            elif controllers == "" and (file := Path(f"/sys/fs/cgroup{path}/cpu.stat")).exists():
                used[service] += int(file.read_text().split()[1]) / 1e6
    return used


def measure(name: str, request: Callable[[int], httpx.Response], requests: int) -> dict[str, float]:
    """Send the requests, print what one of them cost, and give it in seconds."""
    idle = cpu_seconds()
    time.sleep(5)
    before = cpu_seconds()
    begun = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = collections.Counter(answer.status_code for answer in pool.map(request, range(requests)))
    took, after = time.monotonic() - begun, cpu_seconds()
    costs = {
        service: (after[service] - before[service] - (before[service] - idle[service]) / 5 * took) / requests
        for service in after
    }
    shown = {service: round(cost * 1e6) for service, cost in sorted(costs.items()) if cost > 20e-6}  # noqa: PLR2004 - the rest is noise
    print(f"{name}: {requests / took:.0f} a second, {dict(answers)}")
    print(f"  microseconds of CPU each: {shown}, together {sum(shown.values())}", flush=True)
    return costs


@contextlib.contextmanager
def bound(gateways: list[str]) -> Iterator[None]:
    """Leave each gateway a part of a core for a while."""
    for name in gateways:
        podman("update", "--cpus", str(SHARE), name)
    try:
        yield
    finally:
        for name in gateways:
            podman("update", "--cpus", "1", name)


def answered(request: Callable[[int], httpx.Response]) -> tuple[float, float]:
    """How many requests a second are answered well by gateways that can do no more, and the seconds of CPU of one."""
    stop, answers = threading.Event(), collections.Counter[int]()

    def calls(number: int) -> None:
        while not stop.is_set():
            answers[request(number).status_code] += 1

    with ThreadPoolExecutor(2 * CALLERS) as pool:
        for number in range(2 * CALLERS):
            pool.submit(calls, number)
        time.sleep(3)  # until connections stand
        before, used, begun = answers[200], cpu_seconds()["gateway"], time.monotonic()
        time.sleep(TEST_S)
        good, took = answers[200] - before, time.monotonic() - begun
        cost = (cpu_seconds()["gateway"] - used) / good
        stop.set()
    if len(answers) > 1:
        print(f"  of them not well: {dict(answers)}")
    return good / took, cost


def main() -> int:
    """Measure a read by id, a list, and a write; then bind the gateways and see."""
    url, password, *mails = sys.argv[1:]
    people = [{"Authorization": f"Bearer {sign_in(url, mail, password)}"} for mail in mails]
    turns = itertools.cycle(people)
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:

        def create(number: int) -> httpx.Response:
            body = {"slug": f"capacity-{uuid.uuid4().hex[:12]}", "name": "Capacity", "description": ""}
            headers = {"Idempotency-Key": f'"{uuid.uuid4()}"'} | people[number % len(people)]
            return client.post("/api/v1/projects", json=body, headers=headers)

        paths = [f"/api/v1/projects/{create(number).json()['id']}" for number in range(len(people))]

        def read(number: int) -> httpx.Response:
            number %= len(people)
            return client.get(paths[number], headers=people[number])

        costs = measure("GET by id", read, REQUESTS)
        measure("list of 20", lambda _: client.get("/api/v1/projects?page_size=20", headers=next(turns)), REQUESTS // 2)
        measure("create", create, REQUESTS // 10)

        gateways = sorted(str(container["Names"][0]) for container in containers("gateway"))[:2]  # type: ignore[index] # as above
        measured = []
        with bound(gateways):
            for replicas in (1, 2):
                for name in gateways[replicas:]:
                    podman("stop", "--time", "35", name)
                rate, cost = answered(read)
                measured.append(rate)
                for name in gateways[replicas:]:
                    podman("start", name)
                    time.sleep(15)  # until it is ready and Envoy knows
                    podman("update", "--cpus", str(SHARE), name)
                quiet, busy = (replicas * SHARE / each for each in (costs["gateway"], cost))
                print(
                    f"{replicas} of {SHARE} cores: {rate:.0f} GETs a second, {cost * 1e6:.0f} microseconds of CPU each"
                )
                print(
                    f"  the model says {quiet:.0f} by what one costs above, {busy:.0f} by what it costs here",
                    flush=True,
                )
    times = measured[1] / measured[0]
    print(f"two answer {times:.2f} times as much as one")
    return int(times < LEAST)


if __name__ == "__main__":
    sys.exit(main())
