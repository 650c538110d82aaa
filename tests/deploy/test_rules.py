"""What the chart makes of alerts: who is expected follows from the values, and so does where runbooks are."""

import re

import pytest
import yaml
from charts import CHART, ROOT, Object, rendered

pytestmark = pytest.mark.xdist_group("chart")

MINIMAL = CHART / "examples" / "minimal.yaml"


def rules(*arguments: str) -> dict[str, Object]:
    """Give every alert by its name."""
    given = ("--values", MINIMAL, "--set", "rules.enabled=true", *arguments)
    found = [item for item in rendered(*given) if item["kind"] == "PrometheusRule"]
    groups = [group for item in found for group in item["spec"]["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def expected(*arguments: str) -> set[str]:
    expression: str = rules(*arguments)["ProcessMissing"]["expr"]
    assert re.fullmatch(r"absent\(up\{[^}]*\}\)( or absent\(up\{[^}]*\}\))*", expression)
    return {"/".join(re.findall(r'"([^"]*)"', selector)) for selector in re.findall(r"\{([^}]*)\}", expression)}


def test_whoever_the_values_switch_on_is_expected_and_nobody_else() -> None:
    ours = {"neoforge/gateway/serve"} | {
        f"neoforge/{name}/{of}" for name in ("auth", "projects") for of in ("serve", "worker")
    }
    assert expected() == {*ours, "envoy"}
    assert expected("--set", "edge.enabled=false", "--set", "projects.worker.enabled=false") == ours - {
        "neoforge/projects/worker"
    }
    assert expected("--set", "rules.exporters={postgresql,redis}") == {*ours, "envoy", "postgresql", "redis"}


def test_a_release_has_every_alert_of_prometheus_and_its_own_address_of_runbooks() -> None:
    files = sorted((ROOT / "ops" / "prometheus" / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    ours = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    theirs = rules("--set", "rules.runbooks=https://wiki.example.org/runbooks/")
    assert theirs.keys() == ours.keys()
    for name, rule in theirs.items():
        published = ours[name]["annotations"]["runbook_url"]
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.org/runbooks/{published.rpartition('/')[2]}"
    assert {name: rule["annotations"] for name, rule in rules().items()} == {
        name: rule["annotations"] for name, rule in ours.items()
    }
    boards = [
        item
        for item in rendered("--values", MINIMAL, "--set", "dashboards.enabled=true")
        if "-dashboard-" in item["metadata"]["name"]
    ]
    assert boards
    assert "RUNBOOKS_URL" not in str(boards)
