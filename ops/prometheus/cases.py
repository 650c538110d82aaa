"""Unit tests of the alerts on error budgets, made from the promises: a promise that changes changes them.

Shares of bad requests lie between the rates at which alerts begin, so each case tells two of them apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.prometheus.alerting import runbook
from ops.prometheus.slo import FAST, OBJECTIVES, SLOW, Objective, record
from ops.promises import WITHIN_MS

AVAILABILITY, LATENCY = OBJECTIVES
PER_MINUTE = 10_000
GATEWAY = 'job="neoforge",instance="10.0.0.5:8081",service="gateway",process="serve"'
ENVOY = 'job="envoy",instance="10.0.0.2:9901"'
EDGE = f'{ENVOY},envoy_http_conn_manager_prefix="edge"'
PROJECTS = "/neoforge.projects.v1.ProjectsService/GetProject"
WEBHOOKS = "/neoforge.common.v1.WebhooksService/ListWebhooks"
WENT_WRONG = "UNAVAILABLE"


def wakes(objective: Objective) -> float:
    """Give a share of bad requests that spends the budget too fast for anybody to sleep."""
    return round((1 + FAST[0].rate * objective.budget) / 2, 4)


def annoys(objective: Objective) -> float:
    """Give a share between a ticket's and a page's."""
    return round(objective.budget * (SLOW[0].rate + FAST[1].rate) / 2, 6)


def allowed(objective: Objective) -> float:
    """Give a share that the promise leaves room for."""
    return round(objective.budget / 2, 6)


@dataclass(frozen=True)
class Lit:
    """An alert of an objective that is lit: for whom, with which share."""

    service: str
    share: float


def alerted(objective: Objective, speed: str, at: str, *lit: Lit) -> dict[str, Any]:
    """Expect an objective's fast or slow alert for these and nobody else."""
    name = f"{objective.name.capitalize()}Burns{speed}"
    severity, when = {
        "Fast": ("page", "within days; a person is needed now"),
        "Slowly": ("ticket", "before its 30 days are over"),
    }[speed]
    return {
        "eval_time": at,
        "alertname": name,
        "exp_alerts": [
            {
                "exp_labels": {"service": one.service, "severity": severity, "slo": objective.name},
                "exp_annotations": {
                    "summary": f"{one.service} spends its budget of {objective.name} too fast",
                    "description": f"{one.share * 100:.4g}% of requests to {one.service} are bad, where "
                    f"{objective.promise.text}: at this rate the error budget is spent {when}.",
                    "runbook_url": runbook(name),
                },
            }
            for one in lit
        ],
    }


def silent(objective: Objective, at: str) -> list[dict[str, Any]]:
    """Expect neither alert."""
    return [alerted(objective, speed, at) for speed in ("Fast", "Slowly")]


def calls(code: str, rate: float, minutes: int, then: str = "", peer: str = "projects", method: str = PROJECTS) -> Any:
    """Give calls of a service, so many a minute."""
    labels = f'{GATEWAY},peer="{peer}",method="{method}",code="{code}"'
    return _series(f"rpc_client_duration_seconds_count{{{labels}}}", rate, minutes, then)


def in_time(rate: float, minutes: int) -> Any:
    """Give calls that were answered as fast as is promised."""
    labels = f'{GATEWAY},peer="projects",method="{PROJECTS}",code="OK",le="{WITHIN_MS / 1000:g}"'
    return _series(f"rpc_client_duration_seconds_bucket{{{labels}}}", rate, minutes)


def answers(digit: int, rate: float, minutes: int, then: str = "") -> Any:
    """Give answers of the edge by their class."""
    return _series(f'envoy_http_downstream_rq_xx{{{EDGE},envoy_response_code_class="{digit}"}}', rate, minutes, then)


def requests(rate: float, minutes: int, then: str = "") -> Any:
    """Give requests at the edge."""
    return _series(f"envoy_http_downstream_rq_time_count{{{EDGE}}}", rate, minutes, then)


def requests_in_time(rate: float, minutes: int) -> Any:
    """Give requests at the edge that were answered as fast as is promised."""
    return _series(f'envoy_http_downstream_rq_time_bucket{{{EDGE},le="{WITHIN_MS}"}}', rate, minutes)


def up(values: str) -> dict[str, str]:
    """Give what Prometheus says of Envoy."""
    return {"series": f"up{{{ENVOY}}}", "values": values}


def _series(name: str, rate: float, minutes: int, then: str = "") -> dict[str, str]:
    return {"series": name, "values": f"0+{rate:g}x{minutes} {then}".strip()}


def _test(name: str, series: list[Any], *expected: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": list(expected), **more}


def _services() -> Iterator[dict[str, Any]]:
    def split(objective: Objective, share: float) -> list[Any]:
        bad = PER_MINUTE * share
        if objective is AVAILABILITY:
            return [calls("OK", PER_MINUTE - bad, 90), calls(WENT_WRONG, bad, 90)]
        return [calls("OK", PER_MINUTE, 90), in_time(PER_MINUTE - bad, 90)]

    for objective in OBJECTIVES:
        share = wakes(objective)
        yield _test(
            f"{objective.name}: {share:.4%} of a service's calls are bad: somebody is woken, and a ticket is made",
            split(objective, share),
            *(alerted(objective, speed, "90m", Lit("projects", share)) for speed in ("Fast", "Slowly")),
        )
        share = annoys(objective)
        yield _test(
            f"{objective.name}: {share:.4%} are bad: nobody is woken, a ticket is made",
            split(objective, share),
            alerted(objective, "Fast", "90m"),
            alerted(objective, "Slowly", "90m", Lit("projects", share)),
        )
        share = allowed(objective)
        left = {
            "promql_expr_test": [
                {
                    "expr": f"round({record(objective, '30d')}, 0.000001)",
                    "eval_time": "90m",
                    "exp_samples": [
                        {"labels": '{service="projects"}', "value": share},
                    ],
                }
            ]
        }
        yield _test(
            f"{objective.name}: {share:.4%} are bad, which is half of what may be: so say the windows, and thirty days",
            split(objective, share),
            *silent(objective, "90m"),
            **left,
        )

    bad = PER_MINUTE * wakes(AVAILABILITY)
    after = f"{bad * 60:g}x60"
    yield _test(
        "both windows of the fast alert see a failure, and its end",
        [calls("OK", PER_MINUTE, 120), calls(WENT_WRONG, bad, 60, after)],
        alerted(AVAILABILITY, "Fast", "30m", Lit("projects", bad / (bad + PER_MINUTE))),
        alerted(AVAILABILITY, "Fast", "119m"),
    )
    yield _test(
        "requests that clients got wrong spend nothing",
        [calls(code, 100, 90) for code in ("OK", "NOT_FOUND", "PERMISSION_DENIED", "CANCELLED")],
        *silent(AVAILABILITY, "90m"),
    )
    # What several services have is a package of its own, and names of services may have digits.
    share = wakes(AVAILABILITY)
    bad = PER_MINUTE * share
    for failing, other in (("status", "projects"), ("billing2", "billing")):
        yield _test(
            f"the same method fails in {failing} alone: {other} is not blamed",
            [
                calls("OK", PER_MINUTE - bad, 90, peer=failing, method=WEBHOOKS),
                calls(WENT_WRONG, bad, 90, peer=failing, method=WEBHOOKS),
                calls("OK", PER_MINUTE, 90, peer=other, method=WEBHOOKS),
            ],
            *(alerted(AVAILABILITY, speed, "90m", Lit(failing, share)) for speed in ("Fast", "Slowly")),
        )


def _edge() -> Iterator[dict[str, Any]]:
    share = wakes(AVAILABILITY)
    bad = PER_MINUTE * share
    yield _test(
        f"the edge answers {share:.4%} with 5xx; 4xx are its callers' own",
        [up("1x60"), answers(4, PER_MINUTE - bad, 60), answers(5, bad, 60), requests(PER_MINUTE, 60)],
        *(alerted(AVAILABILITY, speed, "40m", Lit("edge", share)) for speed in ("Fast", "Slowly")),
    )
    share = wakes(LATENCY)
    for late, lit in ((share, (Lit("edge", share),)), (allowed(LATENCY), ())):
        yield _test(
            f"{late:.4%} of requests at the edge are slow",
            [up("1x120"), requests(PER_MINUTE, 120), requests_in_time(PER_MINUTE * (1 - late), 120)],
            *(alerted(LATENCY, speed, "100m", *lit) for speed in ("Fast", "Slowly")),
        )
    yield _test(
        f"{share:.4%} of requests at the edge are streams, which take as long as somebody listens",
        [
            up("1x120"),
            requests(PER_MINUTE, 120),
            requests_in_time(PER_MINUTE * (1 - share), 120),
            _series('streams_ended_total{service="gateway",reason="left"}', PER_MINUTE * share, 120),
        ],
        *silent(LATENCY, "100m"),
    )
    for what, died in (("cannot be reached", "0x70"), ("is gone from service discovery", "stale _x70")):
        yield _test(
            f"Envoy {what}: nobody counts who knocks, and all of them are counted as failed until it is back",
            [up(f"1x60 {died}"), requests(PER_MINUTE, 60, "stale"), answers(5, 0, 60, "stale")],
            *silent(AVAILABILITY, "1h"),
            # After an hour without it nothing but that is in the windows of an hour and of five minutes.
            alerted(AVAILABILITY, "Fast", "130m", Lit("edge", 1)),
            alerted(AVAILABILITY, "Slowly", "130m", Lit("edge", 70 / 131)),
        )
    yield _test(
        "Envoy is back: the short windows say so",
        [
            up("1x60 0x9 1x40"),
            requests(PER_MINUTE, 60, f"stale _x8 0+{PER_MINUTE}x40"),
            answers(5, 0, 60, "stale _x8 0x40"),
        ],
        alerted(AVAILABILITY, "Fast", "66m", Lit("edge", 6 / 61)),
        alerted(AVAILABILITY, "Fast", "105m"),
    )
    yield _test(
        "a dead Envoy at which nobody has knocked for days spends nothing",
        [up("1x60 0x70"), requests(0, 60, "stale"), answers(5, 0, 60, "stale")],
        *silent(AVAILABILITY, "130m"),
    )
    yield _test("where there is no Envoy and never was, nothing is promised of it", [], *silent(AVAILABILITY, "130m"))
    yield _test(
        "no traffic at all lights nothing",
        [up("1x90"), requests(0, 90), answers(5, 0, 90), calls("OK", 0, 90), calls(WENT_WRONG, 0, 90)],
        *silent(AVAILABILITY, "90m"),
        *silent(LATENCY, "90m"),
    )


def cases() -> dict[str, Any]:
    """Give the file of unit tests."""
    return {
        "rule_files": ["../rules/slo.yml"],
        "evaluation_interval": "1m",
        "tests": [*_services(), *_edge()],
    }
