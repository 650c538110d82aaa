"""Who has to be there: an alert where Prometheus does not even know of a process that an installation has.

A target that cannot be scraped has `up` 0 (ProcessDown). One that is gone from service discovery has no `up` at all,
and every alert on what it tells falls silent with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ops.catalogue import SERVICES
from ops.prometheus.alerting import runbook

JOB = "neoforge"
PARTS = ("envoy", "postgresql", "redis")
"""Jobs of prometheus.yml whose only target is what they are named after. `node` is BackupMissing's matter."""
PATIENCE_M = 5
"""Longer than a release takes to put the next process in the place of the last."""


def expected() -> Iterator[dict[str, str]]:
    """Give the labels of every process of ours and of every part that is watched with them."""
    yield {"job": JOB, "service": "gateway", "process": "serve"}
    for service in SERVICES:
        for process in ("serve", "worker"):
            yield {"job": JOB, "service": service, "process": process}
    for part in PARTS:
        yield {"job": part}


def selector(labels: Mapping[str, str]) -> str:
    """Write labels as PromQL does."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def rules() -> dict[str, Any]:
    """Give the rule file's content."""
    who = "{{ with $labels.service }}{{ . }} ({{ $labels.process }}){{ else }}{{ $labels.job }}{{ end }}"
    rule = {
        "alert": "ProcessMissing",
        "expr": " or ".join(f"absent(up{selector(labels)})" for labels in expected()),
        "for": f"{PATIENCE_M}m",
        "labels": {"severity": "page"},
        "annotations": {
            "summary": f"Prometheus knows of no {who}",
            "description": f"For {PATIENCE_M} minutes nothing has been scraped as {who}: it was taken away, or service "
            "discovery does not find it. No other alert can tell how it does.",
            "runbook_url": runbook("ProcessMissing"),
        },
    }
    return {"groups": [{"name": "presence", "rules": [rule]}]}


def cases() -> dict[str, Any]:
    """Give the unit tests: each that is expected, gone from service discovery, lights the alert; the others do not."""
    everybody = list(expected())
    gone = f"1x10 stale _x{2 * PATIENCE_M}"
    series = [{"series": f"up{selector(labels)}", "values": gone} for labels in everybody]
    there = [{"series": f"up{selector(labels)}", "values": "0x30"} for labels in everybody]
    return {
        "rule_files": ["../rules/presence.yml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "name": "whoever Prometheus does not know of any more is missed after five minutes",
                "interval": "1m",
                "input_series": series,
                "alert_rule_test": [
                    _case(10, ()),
                    _case(10 + PATIENCE_M, ()),
                    _case(11 + PATIENCE_M, everybody),
                ],
            },
            {
                "name": "one that is known and does not answer is down, and not missed",
                "interval": "1m",
                "input_series": there,
                "alert_rule_test": [_case(30, ())],
            },
            *(
                {
                    "name": f"{selector(labels)} alone is gone",
                    "interval": "1m",
                    "input_series": [one for one in there if one["series"] != f"up{selector(labels)}"],
                    "alert_rule_test": [_case(30, (labels,))],
                }
                for labels in (everybody[0], everybody[-len(PARTS)])
            ),
        ],
    }


def _case(minute: int, missing: Any) -> dict[str, Any]:
    return {
        "eval_time": f"{minute}m",
        "alertname": "ProcessMissing",
        "exp_alerts": [
            {"exp_labels": {**labels, "severity": "page"}, "exp_annotations": _told(labels)} for labels in missing
        ],
    }


def _told(labels: Mapping[str, str]) -> dict[str, str]:
    who = f"{labels['service']} ({labels['process']})" if "service" in labels else labels["job"]
    return {
        "summary": f"Prometheus knows of no {who}",
        "description": f"For {PATIENCE_M} minutes nothing has been scraped as {who}: it was taken away, or service "
        "discovery does not find it. No other alert can tell how it does.",
        "runbook_url": runbook("ProcessMissing"),
    }
