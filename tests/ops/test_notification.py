"""Who is woken by a fault, and by how many messages: Alertmanager with this repository's configuration."""

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ops.catalogue import SERVICES
from tests.ops.watching import CONFIGURATION, alerts, free_port, running

from chassis.testing.programs import need
from chassis.testing.waiting import wait_for

PATIENCE_S = 60
SEVERITY = {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
WORKERS_PARTS = ("redis", "relay", "consumer")


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    need("prometheus-alertmanager")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        "prometheus-alertmanager",
        f"--config.file={CONFIGURATION / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    log = tmp_path / "alertmanager.log"
    with running(command, {}, log):
        wait_for(lambda: _answers(url), PATIENCE_S, every_s=0.1, what=f"Alertmanager: {log}")
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def alert(name: str, **labels: str) -> dict[str, str]:
    return {"alertname": name, "severity": SEVERITY[name], **labels}


def not_ready(service: str, process: str, dependency: str) -> dict[str, str]:
    return alert("NotReady", service=service, process=process, dependency=dependency)


def told(alertmanager: str, lit: list[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Give the messages that these alerts make: each of the labels of what it tells of."""
    httpx.post(f"{alertmanager}/api/v2/alerts", json=[{"labels": labels} for labels in lit]).raise_for_status()

    def groups() -> Any:
        found = httpx.get(f"{alertmanager}/api/v2/alerts/groups").raise_for_status().json()
        there = [one for group in found for one in group["alerts"]]
        settled = len(there) == len(lit) and all(one["status"]["state"] != "unprocessed" for one in there)
        return found if settled else None

    found = wait_for(groups, PATIENCE_S, every_s=0.1, what="every alert's state")
    messages = [[one["labels"] for one in group["alerts"] if one["status"]["state"] == "active"] for group in found]
    return [message for message in messages if message]


def in_order(found: Iterable[dict[str, str]]) -> list[list[tuple[str, str]]]:
    return sorted(sorted(labels.items()) for labels in found)


REDIS_PAUSED = [not_ready(service, "worker", part) for service in SERVICES for part in WORKERS_PARTS] + [
    not_ready("gateway", "serve", "redis")
]


def test_a_paused_redis_is_one_message_with_its_exporter_and_without(alertmanager: str) -> None:
    [message] = told(alertmanager, REDIS_PAUSED)
    assert {labels["dependency"] for labels in message} == {"redis"}
    assert {labels["service"] for labels in message} == {*SERVICES, "gateway"}
    store = alert("StoreDown", job="redis", instance="10.0.0.9:9121")
    also = [store, alert("LimiterCountsAlone"), alert("OutboxTooOld", service="projects")]
    assert told(alertmanager, [*REDIS_PAUSED, *also]) == [[store]]


def test_a_dead_service_is_told_by_its_death_and_by_what_people_feel(alertmanager: str) -> None:
    down = alert("ProcessDown", job="neoforge", service="status", process="serve", instance="10.0.0.7:8103")
    burns = [alert(f"AvailabilityBurns{speed}", service="status", slo="availability") for speed in ("Fast", "Slowly")]
    messages = told(alertmanager, [down, not_ready("gateway", "serve", "status-page"), *burns])
    assert [len(message) for message in messages] == [1, 1]
    assert in_order(one for message in messages for one in message) == in_order([down, burns[0]])


def test_what_follows_from_nothing_that_is_lit_is_told(alertmanager: str) -> None:
    lit = [
        not_ready("projects", "worker", "relay"),
        not_ready("gateway", "serve", "support"),
        alert("ProcessDown", job="neoforge", service="community", process="serve", instance="10.0.0.7:8102"),
        alert("ProcessDown", job="neoforge", service="support", process="worker", instance="10.0.0.7:8111"),
        alert("AvailabilityBurnsSlowly", service="edge", slo="availability"),
        alert("AvailabilityBurnsFast", service="projects", slo="availability"),
        alert("LimiterCountsAlone"),
        alert("CertificateExpiresSoon", service="auth", instance="10.0.0.7:8104"),
        alert("CertificateExpiresNow", service="support", instance="10.0.0.7:8101"),
    ]
    messages = told(alertmanager, lit)
    assert in_order(one for message in messages for one in message) == in_order(lit)


def test_every_alert_that_the_configuration_names_is_one() -> None:
    named = {
        name
        for line in (CONFIGURATION / "alertmanager.yml").read_text().splitlines()
        if "alertname" in line and '"' in line
        for name in line.split('"')[1].split("|")
    }
    assert named <= SEVERITY.keys()


def test_amtool_takes_the_configuration() -> None:
    need("amtool")
    command = ["amtool", "check-config", CONFIGURATION / "alertmanager.yml"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
