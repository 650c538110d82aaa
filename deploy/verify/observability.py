"""What Prometheus and Alertmanager of compose.yaml see: observability.py PROMETHEUS ALERTMANAGER.

Every target is up, every rule can be evaluated, every query of every dashboard is one, and an alert reaches the page.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from chassis.testing.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "ops" / "grafana" / "dashboards"
JOBS = {"neoforge", "envoy", "postgresql", "redis"}
PATIENCE_S = 120
FILLED_IN = {"$__rate_interval": "1m", "$__range": "5m"}


def until(holds: Callable[[], Any], what: str, seen: Callable[[], object] = str, patience_s: float = PATIENCE_S) -> Any:
    """Give what holds once it does; else end, saying what did not, and what is seen instead."""
    try:
        return wait_for(holds, patience_s, every_s=1, what=what)
    except TimeoutError as late:
        sys.exit(f"{late}; {seen()}")


def queries(dashboard: object) -> Iterator[str]:
    """Give every query of a dashboard's JSON."""
    if isinstance(dashboard, dict):
        if isinstance(dashboard.get("expr"), str):
            yield dashboard["expr"]
        for part in dashboard.values():
            yield from queries(part)
    elif isinstance(dashboard, list):
        for part in dashboard:
            yield from queries(part)


def main() -> None:
    """Look, and print what was seen."""
    prometheus, alertmanager = (httpx.Client(base_url=url, timeout=30, trust_env=False) for url in sys.argv[1:])

    def asked(path: str, **parameters: str) -> Any:
        return prometheus.get(f"/api/v1/{path}", params=parameters).raise_for_status().json()["data"]

    def targets() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = asked("targets")["activeTargets"]
        return found

    def down() -> list[str]:
        return [f"{t['scrapeUrl']}: {t['lastError']}" for t in targets() if t["health"] != "up"]

    until(lambda: {t["labels"]["job"] for t in targets()} >= JOBS and not down(), "every target is up", down)
    print(f"{len(targets())} targets are up")

    def groups() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = asked("rules")["groups"]
        return found

    def rules() -> list[dict[str, Any]]:
        return [rule for group in groups() for rule in group["rules"]]

    def broken() -> list[str]:
        return [f"{r['name']}: {r['health']} {r.get('lastError', '')}" for r in rules() if r["health"] != "ok"]

    until(groups, "Prometheus knows its rules")
    once_each_s = max(group["interval"] for group in groups())
    until(lambda: not broken(), "rules that can be evaluated", broken, PATIENCE_S + once_each_s)
    print(f"{len(rules())} rules are evaluated")

    known = [query for path in sorted(DASHBOARDS.glob("*.json")) for query in queries(json.loads(path.read_text()))]
    answered = 0
    for query in known:
        text = query
        for variable, value in FILLED_IN.items():
            text = text.replace(variable, value)
        answered += bool(asked("query", query=text)["result"])  # a query that is none ends this with its status
    print(f"{len(known)} queries of dashboards are valid, {answered} have a result without anyone's having done much")

    until(lambda: asked("alertmanagers")["activeAlertmanagers"], "Prometheus knows Alertmanager")
    alert = {"labels": {"alertname": "Verification", "service": "projects"}}
    alertmanager.post("/api/v2/alerts", json=[alert]).raise_for_status()
    on_page = until(
        lambda: [a for a in alertmanager.get("/api/v2/alerts").json() if a["labels"]["alertname"] == "Verification"],
        "an alert on the page of Alertmanager",
    )
    print(f"an alert reaches the receiver {on_page[0]['receivers'][0]['name']!r}")


if __name__ == "__main__":
    main()
