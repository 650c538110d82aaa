"""Numbers are right with several processes of a kind: here are a second gateway and a second worker."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from ops.catalogue import names_in, register
from tests.ops.watching import NOWHERE, Prometheus, dashboards, free_port, key

from chassis.testing.waiting import until
from devstack import stack as described
from devstack.folders import Folders
from devstack.ports import Ports
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

ROUTE = "/api/v1/webhooks/{webhook_id}"
"""Of which nobody else asks for what there is not, not even late."""
ASKED = {"first": 7, "second": 5}
INVITED = 12


@contextmanager
def process(environment: Mapping[str, str], log: Path, *words: str) -> Iterator[None]:
    """Run a process of ours with these settings."""
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *words], env=dict(environment), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        started.terminate()
        try:
            status = started.wait(60)
        finally:
            started.kill()  # does nothing to one that has ended
            started.wait()
        assert status in {0, -signal.SIGTERM}, log.read_text()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready").status_code == 200
    except httpx.TransportError:
        return False


async def test_two_gateways_and_two_workers_are_added_up_and_states_are_told_once(
    stack: Stack, prometheus: Prometheus, tmp_path: Path
) -> None:
    whole = described.Stack.of(Folders(stack.data), Ports(stack.port), os.environ)
    projects = next(service for service in whole.services if service.name == "projects")
    gateway, worker = free_port(), free_port()
    second = {**whole.python_environment(), **whole.gateway_environment(), "NEOFORGE_LISTEN": f"127.0.0.1:{gateway}"}
    other = {**whole.python_environment(), **whole.service_environment(projects)}
    other["NEOFORGE_OPS_LISTEN"] = f"127.0.0.1:{worker}"
    with (
        process(second, tmp_path / "gateway.log", "gateway", "serve"),
        process(other, tmp_path / "worker.log", "projects", "worker"),
    ):
        await until(lambda: ready(gateway) and ready(worker), longest_s=60)
        with prometheus.scraping(
            (f"127.0.0.1:{gateway}", {"service": "gateway", "process": "serve"}),
            (f"127.0.0.1:{worker}", {"service": "projects", "process": "worker"}),
        ):
            prometheus.wait_for(
                f'up{{instance="127.0.0.1:{gateway}"}} == 1 and on() up{{instance="127.0.0.1:{worker}"}} == 1'
            )
            await use(stack, prometheus, gateway, worker)


async def use(stack: Stack, prometheus: Prometheus, gateway: int, worker: int) -> None:
    def total(query: str) -> float:
        found = prometheus.ask(query)
        return float(found[0]["value"][1]) if found else 0.0

    requests = f'sum(http_server_request_duration_seconds_count{{route="{ROUTE}",class="4xx"}})'
    mails = 'sum(job_duration_seconds_count{service="projects",kind="mail.send",outcome="succeeded"})'
    of_worker = mails.replace("}", f',instance="127.0.0.1:{worker}"}}')
    before = {query: total(query) for query in (requests, mails)}

    token = {"Authorization": f"Bearer {stack.token('ines')}"}
    async with httpx.AsyncClient(headers=token) as asking:
        for port, times in ((stack.port + 1, ASKED["first"]), (gateway, ASKED["second"])):
            for _ in range(times):
                await asking.get(f"http://127.0.0.1:{port}/api/v1/webhooks/{NOWHERE}")
    with stack.client("ines") as client:
        made = client.post("/api/v1/projects", json={"name": "Of several"}, headers=key()).json()

        def invite(number: int) -> None:
            guest = {"email": f"guest{number}@{made['id'][-12:]}.example.test", "role": "viewer"}
            client.post(f"/api/v1/projects/{made['id']}/invitations", json=guest, headers=key()).raise_for_status()

        invited = 0
        # Whoever is free takes a message: both workers have, sooner or later.
        while invited < INVITED or not total(of_worker):
            invite(invited)
            invited += 1
            assert invited < 200

    await until(lambda: total(requests) == before[requests] + sum(ASKED.values()), longest_s=60)
    await until(lambda: total(mails) == before[mails] + invited, longest_s=60)
    by_gateway = prometheus.ask(requests.replace("sum(", "sum by (instance) ("))
    assert {series["metric"]["instance"] for series in by_gateway} == {
        f"127.0.0.1:{p}" for p in (stack.port + 1, gateway)
    }
    for query in states():
        # As many series as with one process each: the label of the process is gone.
        assert not {"instance", "process"} & {name for series in prometheus.ask(query) for name in series["metric"]}, (
            query
        )
    depth = prometheus.ask('count by (queue) (celery_queue_depth{queue="projects.slow"})')
    assert int(depth[0]["value"][1]) > 2  # two gateways and two workers tell it
    assert len(prometheus.ask('max by (queue) (celery_queue_depth{queue="projects.slow"})')) == 1


def states() -> Iterator[str]:
    """Give the queries of states that several processes tell of."""
    told_by_several = {name for name, metric in register().items() if metric.max}
    for _, query in dashboards():
        if names_in(query) & told_by_several and not re.search(r"\$", query):
            yield query
