"""What is promised, and where runbooks are, is decided in one place."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ops.catalogue import ROOT
from ops.promises import AVAILABILITY, LATENCY, RUNBOOKS, WITHIN_MS, Promise
from tests.ops.watching import dashboards

from chassis.testing.programs import need

MADE_FROM = ("ops", "docs", "services")
OTHER = """
runbooks = "https://wiki.example.org/neoforge/"
[availability]
percent = 99.5
[latency]
percent = 97
within_ms = 100
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made where other things are promised."""
    tree = tmp_path_factory.mktemp("tree")
    for folder in ("ops", "docs"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for service in (ROOT / "services").glob("*/pyproject.toml"):
        (tree / "services" / service.parent.name).mkdir(parents=True)
        shutil.copy(service, tree / "services" / service.parent.name)
    (tree / "ops" / "watching.toml").write_text(OTHER)
    command = [sys.executable, "-m", "ops.generate"]
    ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return tree


def test_another_promise_reaches_rules_dashboards_documentation_and_unit_tests(elsewhere: Path) -> None:
    prometheus, boards = elsewhere / "ops" / "prometheus", elsewhere / "ops" / "grafana" / "dashboards"
    for file in (prometheus / "rules" / "slo.yml", prometheus / "tests" / "slo.yml", boards / "slo.json"):
        text = file.read_text()
        assert "99.5 % of requests are answered" in text
        assert "97 % of requests are answered within 100 ms" in text
    for made in (*prometheus.glob("*/slo.yml"), *boards.glob("*.json"), elsewhere / "docs" / "watching.md"):
        text = made.read_text()
        assert not re.search(rf"\b{AVAILABILITY.percent:g} %|\b{WITHIN_MS} ?ms|le=\"{WITHIN_MS}\"|le=\"0.25\"", text), (
            made
        )
    assert "| 97 % within 100 ms |" in (elsewhere / "docs" / "watching.md").read_text()
    board: dict[str, Any] = json.loads((boards / "overview.json").read_text())
    red = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        for panel in board["panels"]
        if panel["title"] in {"Failed", "Slower than 100 ms"}
    }
    assert red == {"Failed": 0.005, "Slower than 100 ms": 0.03}


@pytest.mark.parametrize("name", ["slo", "availability"])
def test_the_unit_tests_of_other_promises_pass(elsewhere: Path, name: str) -> None:
    need("promtool")
    command = ["promtool", "test", "rules", elsewhere / "ops" / "prometheus" / "tests" / f"{name}.yml"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_runbooks_that_are_published_elsewhere_are_found_there(elsewhere: Path) -> None:
    for file in (elsewhere / "ops").rglob("*.*"):
        if file.suffix in {".yml", ".json"}:
            assert RUNBOOKS not in file.read_text(), file
    alerts = yaml.safe_load((elsewhere / "ops" / "prometheus" / "rules" / "alerts.yml").read_text())
    [url] = [
        rule["annotations"]["runbook_url"]
        for group in alerts["groups"]
        for rule in group["rules"]
        if rule["alert"] == "ProcessDown"
    ]
    assert url == "https://wiki.example.org/neoforge/process-down.md"


@pytest.mark.parametrize(
    ("percent", "within_ms", "why"),
    [
        (100, None, "no budget"),
        (93, None, "nobody would ever be woken"),
        (99, 300, "within 300 ms is not counted, only within 1, 5, 10, 25, 50, 100, 250, 500"),
    ],
)
def test_a_promise_that_cannot_be_watched_is_refused(percent: float, within_ms: int | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Promise(percent, within_ms)


def test_no_promise_is_written_down_twice() -> None:
    """The pages of runbooks and the sources say what is promised by its name."""
    told = re.compile(
        rf"\b{AVAILABILITY.percent:g} %|\b{LATENCY.percent:g} %|\b{WITHIN_MS} ms|"
        rf"\b{AVAILABILITY.budget:g}\b|{WITHIN_MS / 1000:g}\b(?=\"|\))"
    )
    sources = [file for file in (ROOT / "ops").rglob("*.py") if file.name != "promises.py"]
    pages = [*(ROOT / "docs" / "runbooks").glob("*.md"), ROOT / "ops" / "otel" / "collector.yaml"]
    for file in (*sources, *pages):
        assert not told.search(file.read_text()), f"{file}: {told.search(file.read_text())}"


def test_a_budget_of_thirty_days_is_shown_over_thirty_days() -> None:
    [left] = {query for panel, query in dashboards() if "Budget left of 30 days" in panel and "availability" in query}
    assert "ratio_rate30d" in left
