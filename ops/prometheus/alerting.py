"""What all alerts have in common: a runbook at one address, and limits that dashboards show as red lines."""

import re
from functools import cache
from math import prod

import yaml
from ops.catalogue import ROOT
from ops.promises import RUNBOOKS

ALERTS = ROOT / "ops" / "prometheus" / "rules" / "alerts.yml"
_ALERT = re.compile(r"\b(?:alert|alertname): (\w+)")
_RUNBOOK = re.compile(r"(?<=runbook_url: )\S+")


def runbook(alert: str) -> str:
    """Give the address of an alert's runbook: ProcessDown is told of in process-down.md."""
    page = re.sub(r"(?<!^)(?=[A-Z])", "-", alert).lower()
    return f"{RUNBOOKS}/{page}.md"


def with_runbooks(text: str) -> str:
    """Have each alert in a file of rules, or of their unit tests, lead to its runbook.

    Raises:
        ValueError: a runbook stands before any alert.
    """
    alert, made = "", []
    for line in text.splitlines(keepends=True):
        if named := _ALERT.search(line):
            alert = named[1]
        if _RUNBOOK.search(line) and not alert:
            raise ValueError("a runbook stands before any alert")
        made.append(_RUNBOOK.sub(runbook(alert), line))
    return "".join(made)


@cache
def limit(alert: str) -> float:
    """Give the number that an alert on a state compares with, the last in its expression."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    [expression] = [rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alert]
    [(_, factors)] = re.findall(r"([<>]=?) ([0-9.]+(?: \* [0-9.]+)*)$", expression)
    return prod(float(factor) for factor in factors.split(" * "))
