"""Every alert is tested both ways, and says what to do."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.ops.watching import CONFIGURATION, ROOT, alerts

from chassis.testing.programs import need

RUNBOOKS = ROOT / "docs" / "runbooks"
PUBLISHED = "https://neoforge.example/docs/runbooks/"
UNIT_TESTS = sorted((CONFIGURATION / "tests").glob("*.yml"))


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_has_words_and_a_runbook_that_names_it(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
    page = alert["annotations"]["runbook_url"].removeprefix(PUBLISHED)
    text = (RUNBOOKS / page).read_text()
    assert text.startswith(f"# {alert['alert']}\n\nSeverity: {alert['labels']['severity']}\n")
    assert f"[{alert['alert']}]({page})" in (RUNBOOKS / "README.md").read_text()


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*-*.md")), ids=lambda page: page.stem)
def test_a_runbook_leads_to_a_dashboard_and_names_panels_that_there_are(page: Path) -> None:
    boards = [json.loads(file.read_text()) for file in (ROOT / "ops" / "grafana" / "dashboards").glob("*.json")]
    text = page.read_text()
    [dashboard] = re.findall(r"^Dashboard: `/d/([a-z-]+)` of your Grafana$", text, re.MULTILINE)
    assert dashboard in {board["uid"] for board in boards}
    titles = {board["title"].removeprefix("NeoForge: ") for board in boards}
    titles |= {panel["title"] for board in boards for panel in board["panels"]}
    named = set(re.findall(r"\*([^*]+)\*|`([A-Z0-9][a-z]+ [^`()]*)`", text))
    assert {one or other for one, other in named} <= titles


def test_no_runbook_is_left_over() -> None:
    pages = {alert["annotations"]["runbook_url"].removeprefix(PUBLISHED) for alert in alerts()}
    assert {page.name for page in RUNBOOKS.glob("*.md")} == {*pages, "README.md"}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_has_unit_tests_in_which_it_fires_and_in_which_it_does_not(alert: dict[str, Any]) -> None:
    cases = [
        case
        for file in UNIT_TESTS
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == alert["alert"]
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


@pytest.mark.parametrize("file", UNIT_TESTS, ids=lambda file: file.stem)
def test_the_alerts_unit_tests_pass(file: Any) -> None:
    need("promtool")
    ran = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_prometheus_takes_the_configuration() -> None:
    need("promtool")
    command = ["promtool", "check", "config", CONFIGURATION / "prometheus.yml"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
