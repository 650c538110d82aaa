"""Everybody who is expected is scraped, once, whatever the ports of the stack are."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ops.catalogue import ROOT
from ops.prometheus import beside
from ops.prometheus.presence import JOB, PARTS, expected
from tests.ops.watching import CONFIGURATION, rules

FOLDERS = (CONFIGURATION / "targets", ROOT / "deploy" / "compose" / "targets")


def targets(folder: Path, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((folder / f"{job}.yml").read_text())
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_whoever_is_expected_is_a_target_once(folder: Path) -> None:
    ours = [entry["labels"] for entry in targets(folder, JOB)]
    wanted = [
        {"service": labels["service"], "process": labels["process"]} for labels in expected() if "service" in labels
    ]
    assert sorted(ours, key=str) == sorted(wanted, key=str)
    addresses = [address for entry in targets(folder, JOB) for address in entry["targets"]]
    assert len(addresses) == len(set(addresses))
    for part in PARTS:
        assert targets(folder, part)


def test_every_job_of_the_configuration_is_watched() -> None:
    jobs = {job["job_name"] for job in yaml.safe_load((CONFIGURATION / "prometheus.yml").read_text())["scrape_configs"]}
    down = {
        name
        for rule in rules()
        if rule.get("alert") in {"ProcessDown", "ExporterDown"}
        for name in re.findall(r"job=~\"([^\"]+)\"", rule["expr"])[0].split("|")
    }
    assert jobs == down
    assert {JOB, *PARTS} == jobs - {"node"}  # BackupMissing's


def test_the_configuration_beside_a_stack_on_other_ports_has_its_targets_and_all_rules(tmp_path: Path) -> None:
    beside.write(tmp_path, 9000)
    usual, moved = (
        [entry["targets"][0] for entry in targets(folder / "targets", JOB)] for folder in (CONFIGURATION, tmp_path)
    )
    assert [int(address.rpartition(":")[2]) - 920 for address in moved] == [
        int(address.rpartition(":")[2]) for address in usual
    ]
    assert targets(tmp_path / "targets", "envoy") == [{"targets": ["127.0.0.1:9009"]}]
    assert targets(tmp_path / "targets", "redis") == targets(CONFIGURATION / "targets", "redis")
    assert {file.name for file in (tmp_path / "rules").iterdir()} == {
        file.name for file in (CONFIGURATION / "rules").iterdir()
    }
