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
from ops.catalogue import names_in, of_series, register
from tests.ops.watching import CONFIGURATION, rules

from chassis.testing.programs import need

RECORDINGS = Path(__file__).parent / "recordings"
BEFORE, FAULT, AFTER = 360, 60, 100
"""Minutes. In a stack of six hours the windows of days are no longer, so that what burns slowly is seen sooner."""
LIT = 'group by (alertname, service, dependency, tier) (ALERTS{alertstate="firing"})'

Lit = set[tuple[str, ...]]


def _burn(objective: str, speed: str, *services: str) -> Lit:
    return {(f"{objective}Burns{speed}", service) for service in services}


EVERYBODY = ("auth", "community", "edge", "projects", "status", "support")

# A stranger asks twelve times as often as they may. Refusing is cheap, so nobody else feels it: the limiter's alert
# (more than 10 refused a second over 2 min, for 1 min) and no other.
FLOOD: Lit = {("LimiterRefusesMany", "public")}

# Every answer that needs the database has at least one question in it, and takes longer than the objective's 250
# ms: all calls of all services, and at the edge all but what the gateway answers by itself. The budget, 5 % of
# requests, is spent almost twenty times too fast. Over six hours more than 5 % are slow after 18 minutes (that
# burns slowly), over one hour more than 72 % after 45 (that burns fast). Nothing fails, nobody waits for a
# connection, and the question for readiness has 2 s.
SLOW: Lit = _burn("Latency", "Slowly", *EVERYBODY)
SLOW_AND_FAST: Lit = SLOW | _burn("Latency", "Fast", *EVERYBODY)

# A dead service does not answer Prometheus (2 min) nor the gateway, which is not ready without it (1 min). All its
# calls fail: of its budget, 0.1 %, 1.44 % of an hour are lost within a minute. At the edge about every fifth
# request is for it, which takes five minutes. What burns slowly goes on for hours after the end: somebody is to
# look into what it cost.
GONE: Lit = {("ProcessDown", "community"), ("NotReady", "community", "gateway")}
COST: Lit = _burn("Availability", "Slowly", "community", "edge")
DEAD: Lit = GONE | COST | _burn("Availability", "Fast", "community", "edge")

EXPECTED: dict[str, dict[int, Lit]] = {
    "flood": {-1: set(), 5: FLOOD, 59: FLOOD, 65: set()},
    "slow-database": {-1: set(), 10: set(), 30: SLOW, 59: SLOW_AND_FAST, 99: SLOW},
    "killed-service": {-1: set(), 10: DEAD, 59: DEAD, 99: COST},
}
"""What is lit so many minutes after a fault began, by how the alerts are meant: name, then the values of its labels."""


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
    for at, got in re.findall(r"time: (\S+),\s+exp:[^\n]*\s+got:(.*?)(?=\n\s+expr:|\Z)", said, re.DOTALL):
        labels = re.findall(r"\{([^{}]*)\} 1E\+00", got)
        assert labels, said
        lit[_minutes(at) - BEFORE] = {tuple(re.findall(r'"([^"]*)"', one)) for one in labels}
    assert "SUCCESS" in said or "got:" in said, said
    return lit


def _minutes(duration: str) -> int:
    return sum(
        int(number) * {"d": 1440, "h": 60, "m": 1}[unit] for number, unit in re.findall(r"(\d+)([dhm])", duration)
    )


def _recorded(name: str) -> dict[str, float]:
    values: dict[str, float] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return values


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_lights_the_alerts_that_it_is_to_light_and_no_other(fault: str, tmp_path: Path) -> None:
    need("promtool")
    expected = EXPECTED[fault]
    recorded = {"healthy": _recorded("healthy"), "fault": _recorded(fault)}
    assert _lit(recorded, list(expected), tmp_path) == expected


@pytest.mark.parametrize("name", ["healthy", *EXPECTED])
def test_a_recording_has_what_the_rules_read(name: str) -> None:
    known = of_series(register())
    read = {series for rule in rules() for series in names_in(rule["expr"])} & known.keys()
    assert {series.partition("{")[0] for series in _recorded(name)} == read
