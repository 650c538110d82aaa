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

FILES = sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json"))
WIDTH = 24


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_dashboard_read_by_grafanas_schema_is_the_same_dashboard(file: Path) -> None:
    register_default_plugins()
    text = file.read_text()
    again = JSONEncoder(sort_keys=True, indent=2).encode(Dashboard.from_json(json.loads(text)))
    assert json.loads(again) == json.loads(text)


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
