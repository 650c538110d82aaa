"""The dashboards are what Grafana reads."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from ops.catalogue import ROOT, SERVICES
from ops.grafana.panels import NUMBER, lines

FILES = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))
WIDTH = 24


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_read_by_grafanas_schema_is_the_same_dashboard(file: Path) -> None:
    register_default_plugins()
    text = file.read_text()
    again = JSONEncoder(sort_keys=True, indent=2).encode(Dashboard.from_json(json.loads(text)))
    assert json.loads(again) == json.loads(text)


def test_what_the_schema_does_not_know_does_not_pass_for_a_dashboard() -> None:
    register_default_plugins()
    board = json.loads(FILES[0].read_text())
    board["panels"][1]["fieldConfig"]["defaults"]["unitt"] = board["panels"][1]["fieldConfig"]["defaults"].pop("unit")
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(board))) != board


PANELS = [
    pytest.param(panel, id=f"{file.stem}: {panel['title']}")
    for file in FILES
    for panel in json.loads(file.read_text())["panels"]
    if panel["type"] != "row"
]


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_says_what_it_shows_in_which_unit_and_what_its_lines_are(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    for target in panel["targets"]:
        assert target["legendFormat"] != "__auto" or " by " not in target["expr"]
    if panel["type"] == "timeseries":
        assert panel["options"]["legend"]["showLegend"]


@pytest.mark.parametrize("panel", PANELS)
def test_times_of_requests_and_calls_have_exemplars_that_lead_to_traces(panel: dict[str, Any]) -> None:
    told = ("http_server_request_duration_seconds_bucket", "rpc_server_duration_seconds_bucket")
    for target in panel["targets"]:
        if any(name in target["expr"] for name in told):
            assert target["exemplar"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_leads_to_the_others_and_to_the_runbooks(file: Path) -> None:
    links = json.loads(file.read_text())["links"]
    assert [(link["type"], link["title"]) for link in links] == [("dashboards", "Dashboards"), ("link", "Runbooks")]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("sum(rate(http_erors_total[5m]))", "the register .* has no http_erors_total"),
        ('sum(rate(http_errors_total{clas="5xx"}[5m]))', "http_errors_total has no label clas"),
        ("service:availability_bad:ratio_rate5d", "has no service:availability_bad:ratio_rate5d"),
    ],
)
def test_a_panel_of_what_nobody_tells_is_not_made(query: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"panel 'Wrong'.*{why}"):
        lines("Wrong", NUMBER, (query, "wrong"))


def test_a_panel_of_messages_and_seconds_is_not_made() -> None:
    with pytest.raises(ValueError, match="one unit cannot be that of seconds and things"):
        lines("Wrong", NUMBER, ("max(outbox_messages)", "messages"), ("max(outbox_oldest_age_seconds)", "seconds"))


def test_every_service_has_its_dashboard() -> None:
    assert {f"service-{name}" for name in SERVICES} <= {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_panels_have_places_of_their_own_and_the_provisioned_source(file: Path) -> None:
    board: dict[str, Any] = json.loads(file.read_text())
    provisioned = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/prometheus.yml").read_text())
    [source] = provisioned["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        place = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not place & taken, panel["title"]
        assert at["x"] + at["w"] <= WIDTH
        taken |= place
        assert panel.get("datasource", {}).get("uid", source["uid"]) == source["uid"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
