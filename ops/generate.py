"""Writes what is made from code and the register: dashboards, rules on error budgets, the page of metrics, rate limits,
kinds of threats.

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
from ops import promises
from ops.catalogue import ROOT, SERVICES, page
from ops.grafana import boards
from ops.grafana.service import service
from ops.prometheus import alerting, cases, notification, presence, slo

from gateway import threats, tiers

DASHBOARDS = ROOT / "ops" / "grafana" / "dashboards"
PROMETHEUS = ROOT / "ops" / "prometheus"
PAGE = ROOT / "docs" / "metrics.md"
API = ROOT / "docs" / "api.md"
WATCHING = ROOT / "docs" / "watching.md"
THREATS = ROOT / "docs" / "threats.md"
_HEAD = "# Made by `make gen` from {}, which says where the numbers come from; changes belong there.\n"


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
    for name, source, content in (
        ("rules/slo.yml", "ops/prometheus/slo.py", slo.rules()),
        ("rules/presence.yml", "ops/prometheus/presence.py", presence.rules()),
        ("tests/slo.yml", "ops/prometheus/cases.py", cases.cases()),
        ("tests/presence.yml", "ops/prometheus/presence.py", presence.cases()),
        ("alertmanager.yml", "ops/prometheus/notification.py", notification.configuration()),
    ):
        made[PROMETHEUS / name] = _HEAD.format(source) + _yaml(content)
    for file in (*PROMETHEUS.glob("rules/*.yml"), *PROMETHEUS.glob("tests/*.yml")):
        if file not in made:
            made[file] = alerting.with_runbooks(file.read_text(encoding="utf-8"))
    made[PAGE] = page()
    made[API] = _filled(API, "tiers", tiers.table())
    made[THREATS] = _filled(THREATS, "threats", threats.table())
    made[WATCHING] = _filled(WATCHING, "promises", "\n".join(promises.table()) + "\n")
    return made


def _yaml(content: Any) -> str:
    """Write what stands in two places twice: anchors are no help to a reader of rules."""
    text: str = yaml.safe_dump(json.loads(json.dumps(content)), sort_keys=False, width=1_000)
    return text


def _filled(page_: Path, mark: str, text: str) -> str:
    """Give a page with the text between its two marks."""
    before = page_.read_text(encoding="utf-8")
    return re.sub(rf"(?<=<!-- {mark} -->\n).*(?=<!-- /{mark} -->)", lambda _: text, before, flags=re.DOTALL)


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
