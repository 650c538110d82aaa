"""What a request costs in CPU, by container, from the accounts of the kernel: capacity.py URL MAIL PASSWORD [REQUESTS].

Time spent waiting for a CPU that others use is not in it, so a machine that is busy gives nearly the same figures.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from sign_in import sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

CALLERS = 8
LABEL = "com.docker.compose.service"


def cpu_seconds() -> dict[str, float]:
    """CPU that each service of compose.yaml has used."""
    listed = subprocess.run(
        ["podman", "ps", "--format", "json", "--filter", "label=io.podman.compose.project=neoforge"],  # noqa: S607 - podman is on PATH
        capture_output=True,
        check=True,
    )
    used: dict[str, float] = collections.defaultdict(float)
    for container in json.loads(listed.stdout):
        groups = Path(f"/proc/{container['Pid']}/cgroup").read_text().splitlines()
        for group in groups:
            _, controllers, path = group.split(":", 2)
            if "cpuacct" in controllers.split(","):
                used[container["Labels"][LABEL]] += (
                    int(Path(f"/sys/fs/cgroup/cpuacct{path}/cpuacct.usage").read_text()) / 1e9
                )
            elif controllers == "" and (file := Path(f"/sys/fs/cgroup{path}/cpu.stat")).exists():
                used[container["Labels"][LABEL]] += int(file.read_text().split()[1]) / 1e6
    return used


def measure(name: str, request: Callable[[int], httpx.Response], requests: int) -> None:
    """Send the requests and print what one of them cost."""
    idle = cpu_seconds()
    time.sleep(5)
    before = cpu_seconds()
    begun = time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        answers = collections.Counter(answer.status_code for answer in pool.map(request, range(requests)))
    took, after = time.monotonic() - begun, cpu_seconds()
    costs = {
        service: (after[service] - before[service] - (before[service] - idle[service]) / 5 * took) / requests * 1e6
        for service in after
    }
    shown = {service: round(cost) for service, cost in sorted(costs.items()) if cost > 20}  # noqa: PLR2004 - the rest is noise
    print(f"{name}: {requests / took:.0f} a second, {dict(answers)}")
    print(f"  microseconds of CPU each: {shown}, together {sum(shown.values())}")


def main() -> None:
    """Measure a read by id, a list, and a write."""
    url, mail, password, *more = sys.argv[1:]
    requests = int(more[0]) if more else 1000
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        client.headers["Authorization"] = f"Bearer {sign_in(url, mail, password)}"

        def create(_: int) -> httpx.Response:
            body = {"slug": f"capacity-{uuid.uuid4().hex[:12]}", "name": "Capacity", "description": ""}
            return client.post("/api/v1/projects", json=body, headers={"Idempotency-Key": f'"{uuid.uuid4()}"'})

        path = f"/api/v1/projects/{create(0).json()['id']}"
        measure("GET by id", lambda _: client.get(path), requests)
        measure("list of 20", lambda _: client.get("/api/v1/projects?page=1&page_size=20"), requests // 2)
        measure("create", create, requests // 10)


if __name__ == "__main__":
    main()
