"""Every alert is tested both ways, and says what to do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ops.catalogue import OF_PROMETHEUS, SERVICES, matchers_in, names_in, of_series, register
from ops.prometheus.slo import records
from ops.promises import RUNBOOKS as RUNBOOKS_URL
from tests.ops.watching import CONFIGURATION, ROOT, alerts

from chassis.testing.programs import need

RUNBOOKS = ROOT / "docs" / "runbooks"
PUBLISHED = f"{RUNBOOKS_URL}/"
CODE = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PARTS = ["What it says", "Where to look", "What to do"]
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
    text = CODE.sub("", page.read_text())
    [dashboard] = re.findall(r"^Dashboard: `/d/([a-z-]+)` of your Grafana$", text, re.MULTILINE)
    assert dashboard in {board["uid"] for board in boards}
    titles = {board["title"].removeprefix("NeoForge: ") for board in boards}
    titles |= {panel["title"] for board in boards for panel in board["panels"]}
    named = set(re.findall(r"\*([^*]+)\*|`([A-Z0-9][a-z]+ [^`()]*)`", text))
    assert {one or other for one, other in named} <= titles


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*-*.md")), ids=lambda page: page.stem)
def test_runbooks_have_the_same_parts_and_commands_and_queries_of_what_there_is(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"^## (.*)$", CODE.sub("", text), re.MULTILINE) == PARTS
    blocks = CODE.findall(text)
    assert {kind for kind, _ in blocks} <= {"console", "promql", "json"}
    assert "promql" in {kind for kind, _ in blocks}
    commands = "".join(body for kind, body in blocks if kind == "console")
    assert commands
    known = {*of_series(register()), *records()}
    for query in (line for kind, body in blocks if kind == "promql" for line in body.splitlines()):
        assert names_in(query) <= known, query
        for name, label in matchers_in(query):
            assert name not in register() or label in {*register()[name].labels, *OF_PROMETHEUS}, query
    # Who has compose or a cluster is told as much as who has `make up`.
    assert len({commands.count(f"\n# {form}\n") for form in ("compose", "Kubernetes")}) == 1


def _verbs() -> list[str]:
    told = re.compile(rf"(?:devstack run|python -m|run --rm) ((?:{'|'.join(SERVICES)}) [a-z-]+(?: [a-z]+)?)")
    pages = [*RUNBOOKS.glob("*.md"), ROOT / "docs" / "jobs.md", ROOT / "docs" / "watching.md"]
    return sorted({verb for page in pages for verb in told.findall(page.read_text())})


@pytest.mark.parametrize("verb", _verbs())
def test_a_command_of_a_service_that_is_written_down_is_one(verb: str) -> None:
    command = [sys.executable, "-m", *verb.split(), "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


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
