"""A killed service, a slow database, a flood: each lights the alerts that it is to light, and no other.

What is replayed was scraped from the running stack (record.py): the rate of each counter and the value of each gauge,
in health and in the fault. Here they go on for hours, as the windows of error budgets need.
"""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ops.catalogue import of_series, register
from tests.ops.watching import CONFIGURATION, need

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.json"))
BEFORE, FAULT, AFTER = 240, 60, 120
"""Minutes."""
LIT = 'group by (alertname, service, dependency, tier) (ALERTS{alertstate="firing"})'

Lit = set[tuple[str, ...]]

EXPECTED: dict[str, dict[int, Lit]] = {}
"""What is lit so many minutes after a fault began: name, then the values of its labels."""


def _values(series: str, recorded: dict[str, dict[str, float]]) -> str:
    """Write a series in promtool's notation, a sample a minute."""
    metric = of_series(register())[series.partition("{")[0]]
    phases = [(recorded["healthy"], BEFORE), (recorded["fault"], FAULT), (recorded["healthy"], AFTER)]
    written, total, there = [], 0.0, False
    for values, minutes in phases:
        if series not in values:
            written.append(f"stale _x{minutes - 1}" if there else f"_x{minutes}")
            there, total = False, 0.0  # a process that comes back counts anew
        elif metric.type == "gauge":
            written.append(f"{values[series]:g}x{minutes - 1}")
            there = True
        else:
            step = values[series] * 60
            written.append(f"{total:g}+{step:g}x{minutes - 1}")
            there, total = True, total + step * minutes
    return " ".join(written)


def _lit(recorded: dict[str, dict[str, float]], minutes: list[int], folder: Path) -> dict[int, Lit]:
    """Give what is lit at these minutes after the fault began."""
    names = sorted({*recorded["healthy"], *recorded["fault"]})
    asked = [{"expr": LIT, "eval_time": f"{BEFORE + minute}m", "exp_samples": []} for minute in minutes]
    test: dict[str, Any] = {
        "rule_files": [str(CONFIGURATION / "rules" / "*.yml")],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": _values(name, recorded)} for name in names],
                "promql_expr_test": asked,
            }
        ],
    }
    file = folder / "replay.yml"
    file.write_text(yaml.safe_dump(test))
    ran = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    said = ran.stdout + ran.stderr
    lit: dict[int, Lit] = {minute: set() for minute in minutes}
    # promtool expects nothing here, and so tells of everything that is lit.
    for at, got in re.findall(r"time: (\S+),\s+exp:\S*\s+got:(.*?)(?=\n\s+expr:|\Z)", said, re.DOTALL):
        labels = re.findall(r"\{([^{}]*)\} 1E\+00", got)
        assert labels, said
        lit[_minutes(at) - BEFORE] = {tuple(re.findall(r'"([^"]*)"', one)) for one in labels}
    assert "SUCCESS" in said or "got:" in said, said
    return lit


def _minutes(duration: str) -> int:
    return sum(
        int(number) * {"d": 1440, "h": 60, "m": 1}[unit] for number, unit in re.findall(r"(\d+)([dhm])", duration)
    )


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_a_fault_lights_the_alerts_that_it_is_to_light_and_no_other(file: Path, tmp_path: Path) -> None:
    need("promtool")
    recorded = json.loads(file.read_text())
    expected = EXPECTED[file.stem]
    assert _lit(recorded, list(expected), tmp_path) == expected


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_a_recording_has_what_the_rules_read(file: Path) -> None:
    known = of_series(register())
    recorded = json.loads(file.read_text())
    assert {name.partition("{")[0] for name in recorded["healthy"]} <= known.keys()
