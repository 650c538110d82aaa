"""What is shown and alerted on exists: every query against the running stack while people use it."""

import math
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from ops.catalogue import OWN, ROOT, Metric, names_in, of_series, register
from tests.ops.watching import (
    HURRY,
    Prometheus,
    alerts,
    dashboards,
    dead,
    documented,
    free_port,
    listen_in,
    try_the_door,
    use,
)

from chassis.testing.otlp import OtlpReceiver
from chassis.testing.waiting import until, wait_for
from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

RANGES = {"$__rate_interval": "2m", "$__range": "2m"}
ROUNDS = 3


@pytest.fixture(scope="module")
def used(stack: Stack, prometheus: Prometheus) -> Prometheus:
    """Prometheus after it has seen people at work several times, jobs and webhooks included."""
    with stack.client("ines") as client:
        listen_in(client, f"http://127.0.0.1:{free_port()}/")
        for _ in range(ROUNDS):
            use(client)
            try_the_door(client)
            prometheus.wait_for(f"min(timestamp(up)) > {time.time()}")
    for query in (
        "sum(rate(webhook_deliveries_total[2m])) > 0",
        "sum(rate(mail_messages_total[2m])) > 0",
        'count(sum by (service) (rate(job_duration_seconds_count[2m])) > 0) == count(up{process="worker"})',
    ):
        prometheus.wait_for(query)
    return prometheus


def has_numbers(result: list[dict[str, Any]]) -> bool:
    return any(not math.isnan(float(series["value"][1])) for series in result)


def test_every_query_of_every_dashboard_has_a_result(used: Prometheus) -> None:
    asked = 0
    for panel, query in dashboards():
        for name, value in RANGES.items():
            query = query.replace(name, value)  # noqa: PLW2901 - Grafana fills them in the same way
        # A rate needs two scrapes, a recorded one another round of the rules.
        what = f"{panel}: numbers from {query}"
        wait_for(lambda query=query: has_numbers(used.ask(query)), 60, every_s=0.5, what=what)
        asked += 1
    assert asked > 150


def test_the_queries_of_documentation_have_results_and_those_of_runbooks_can_be_asked(used: Prometheus) -> None:
    asked = 0
    for page, query in documented():
        if page == "watching.md":
            wait_for(lambda query=query: has_numbers(used.ask(query)), 60, every_s=0.5, what=f"numbers from {query}")
            asked += 1
        else:
            used.ask(query)  # of a fault that is not there it has no result
    assert asked > 8


def test_what_alerts_look_at_is_there_and_their_expressions_are_evaluated(used: Prometheus) -> None:
    for alert in alerts():
        for name in names_in(alert["expr"]):
            for selector in set(re.findall(rf"(?<![\w:]){name}(?![\w:])(?:\{{[^}}]*\}})?", alert["expr"])):
                # What is refused or dead begins at 0, so that it is there before it happens.
                assert used.ask(selector.replace('{kind!="token_reuse"}', "")), f"{alert['alert']}: {selector}"
    states = {rule["name"]: rule for group in used.get("rules")["groups"] for rule in group["rules"]}
    assert {alert["alert"] for alert in alerts()} <= states.keys()
    assert {rule["name"]: rule.get("lastError") for rule in states.values() if rule["health"] != "ok"} == {}


def test_times_have_exemplars_of_traces_that_are_kept(used: Prometheus, otlp: OtlpReceiver) -> None:
    kept = {span.trace_id for span in otlp.spans()}
    for histogram in ("http_server_request_duration_seconds", "rpc_server_duration_seconds"):
        found = used.get("query_exemplars", query=f"{histogram}_bucket", start=time.time() - 600, end=time.time())
        traces = {one["labels"]["trace_id"] for series in found for one in series["exemplars"]}
        assert traces & kept, histogram


def test_every_target_is_up(used: Prometheus) -> None:
    assert used.ask("up == 0") == []


def _sources(labels: dict[str, str]) -> set[str]:
    """As what the register calls a process."""
    if labels["service"] == "gateway":
        return {"gateway"}
    return {"worker" if labels["process"] == "worker" else "service", labels["service"]}


def test_each_process_tells_what_the_register_says_and_nothing_else(used: Prometheus) -> None:
    known = of_series(register())
    told: dict[str, set[str]] = {}
    for series in used.get("series", **{"match[]": '{job="neoforge"}'}):
        if not series["__name__"].startswith(("python_", "scrape_", "service:", "ALERTS")):
            told.setdefault(series["__name__"], set()).update(_sources(series))
    assert told.keys() <= known.keys()
    for name, sources in told.items():
        allowed = set(known[name].sources)
        if name != "up":
            assert sources & OWN - {"auth"} <= allowed | ({"service", "worker"} if "auth" in allowed else set()), name


def _exposed(stack: Stack) -> set[str]:
    ports = [stack.port + offset for offset in (1, *range(20, 25), *range(30, 35))]
    texts = [httpx.get(f"http://127.0.0.1:{port}/metrics").text for port in ports]
    return {name for text in texts for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)}


def test_each_metric_that_the_documentation_names_is_on_a_metrics_page(used: Prometheus, stack: Stack) -> None:
    documented = {
        name
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(r"`([a-z][a-z0-9_]*)(?:\{[a-z_,]+[^}`]*\})?`", page.read_text())
    }
    ours: set[Metric] = {metric for metric in register().values() if metric.ours}
    named = {metric.name for metric in ours} & documented
    assert named == {metric.name for metric in ours}
    assert named <= _exposed(stack)


async def test_a_killed_service_lights_its_first_alerts_after_their_time_and_they_go_out_when_it_is_back(
    stack: Stack, used: Prometheus
) -> None:
    def lit() -> set[tuple[str, str]]:
        found = used.ask('ALERTS{alertstate="firing",alertname=~"ProcessDown|NotReady|DatabasePoolExhausted"}')
        return {(series["metric"]["alertname"], series["metric"].get("dependency", "")) for series in found}

    def value(query: str) -> float:
        used.wait_for(query)
        return float(used.ask(query)[0]["value"][1])

    assert lit() == set()
    with dead(stack, "community", "serve"):
        await until(lambda: lit() == {("ProcessDown", ""), ("NotReady", "community")}, longest_s=60)
        began = value('ALERTS_FOR_STATE{alertname="ProcessDown"}')
        fired = value('min(min_over_time(timestamp(ALERTS{alertname="ProcessDown",alertstate="firing"})[5m:1s]))')
        assert round(fired - began, 3) >= 120 / HURRY
    await until(lambda: lit() == set(), longest_s=120)
    await until(lambda: httpx.get(f"{stack.url}/ready").status_code == 200)


async def test_a_killed_envoy_lights_its_alert_and_counts_as_failing_at_the_edge(
    stack: Stack, used: Prometheus
) -> None:
    def lit() -> set[str]:
        found = used.ask('ALERTS{alertstate="firing",alertname="ProcessDown"}')
        return {series["metric"]["job"] for series in found}

    used.wait_for('service:availability_bad:ratio_rate1h{service="edge"}')
    assert lit() == set()
    with dead(stack, "envoy"):
        await until(lambda: lit() == {"envoy"}, longest_s=60)
        await until(lambda: used.ask('ALERTS{alertstate="firing",alertname="AvailabilityBurnsFast",service="edge"}'))
    await until(lambda: lit() == set(), longest_s=120)
    await until(lambda: httpx.get(f"{stack.url}/ready").status_code == 200, longest_s=120)


async def test_nothing_remains_of_a_gateway_that_was_killed_under_load(stack: Stack, used: Prometheus) -> None:
    def page() -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{stack.port + 1}/metrics").text
        except httpx.TransportError:
            return ""

    def started() -> float:
        found = re.search(r"^process_start_time_seconds (\S+)", page(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = started()
    killed = stack.pid_of("gateway", "serve")

    def knock(_: int) -> None:
        with suppress(httpx.TransportError):
            httpx.get(f"{stack.url}/api/v1/status", headers={"X-Forwarded-For": "198.51.100.78"})

    with ThreadPoolExecutor(8) as people:
        knocking = [people.submit(knock, number) for number in range(60)]
        os.kill(killed, signal.SIGKILL)
        for one in knocking:
            one.result()

    # Counters begin anew: nothing of the dead process is added to what its successor tells.
    await until(lambda: started() > before, longest_s=120)
    await until(lambda: "\nhttp_server_requests_in_progress 0.0\n" in page())
    await until(lambda: httpx.get(f"{stack.url}/ready").status_code == 200)
