"""Writes what is made from code and the register: dashboards, rules on error budgets, the page of metrics, rate limits.

Run from the root of the repository: `python -m ops.generate`.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from ops.catalogue import ROOT, SERVICES, page
from ops.grafana import boards
from ops.grafana.service import service
from ops.prometheus.slo import rules

from gateway import tiers

DASHBOARDS = ROOT / "ops" / "grafana" / "dashboards"
RULES = ROOT / "ops" / "prometheus" / "rules" / "slo.yml"
PAGE = ROOT / "docs" / "metrics.md"
API = ROOT / "docs" / "api.md"
_HEAD = (
    "# Made by `make gen` from ops/prometheus/slo.py, which says where the numbers come from; changes belong there.\n"
)


def _dashboards() -> Iterator[Dashboard]:
    yield from (boards.overview(), boards.edge(), boards.jobs(), boards.slo(), boards.stores())
    for name in SERVICES:
        yield service(name)


def _json(dashboard: Any) -> str:
    for number, panel in enumerate(dashboard.panels, 1):
        panel.id_val = number  # links to a panel go by it
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard) + "\n"


def files() -> dict[Path, str]:
    """Give every file that is made, and what is to stand in it."""
    made = {}
    for builder in _dashboards():
        text = _json(builder.build())
        made[DASHBOARDS / f"{json.loads(text)['uid'].removeprefix('neoforge-')}.json"] = text
    made[RULES] = _HEAD + yaml.safe_dump(rules(), sort_keys=False, width=1_000)
    made[PAGE] = page()
    made[API] = re.sub(
        r"(?<=<!-- tiers -->\n).*(?=<!-- /tiers -->)", tiers.table(), API.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return made


def main() -> int:
    """Write the files, or with --check say which are not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = files()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    strays = [path for path in DASHBOARDS.glob("*.json") if path not in made]
    if check:
        for path in stale + strays:
            print(f"{path.relative_to(ROOT)} is not what `make gen` makes", file=sys.stderr)
        return bool(stale or strays)
    DASHBOARDS.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(made[path], encoding="utf-8")
    for path in strays:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
