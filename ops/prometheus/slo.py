"""The rules on error budgets: multi-window, multi-burn-rate, by service and for the edge.

Source: Beyer et al., The Site Reliability Workbook, chapter 5, table 5-8 and "6: Multiwindow, Multi-Burn-Rate Alerts".
"""

from dataclasses import dataclass
from typing import Any

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
RUNBOOKS = "https://neoforge.example/docs/runbooks"

# The edge as Envoy, the outermost part, sees it: also a gateway that is dead. Its histogram is in milliseconds.
EDGE = 'envoy_http_conn_manager_prefix="edge"'
# A service as its callers see it: one that is dead says nothing itself. What a client did wrong is no fault of ours.
FAULTS = 'code=~"UNAVAILABLE|INTERNAL|UNKNOWN|DATA_LOSS|DEADLINE_EXCEEDED"'


@dataclass(frozen=True)
class Objective:
    """A promise: at most `budget` of all requests are bad over 30 days."""

    name: str
    budget: float
    edge_bad: str
    service_all: str
    service_bad: str
    promise: str


OBJECTIVES = (
    Objective(
        "availability",
        0.001,
        f'sum(rate(envoy_http_downstream_rq_xx{{{EDGE},envoy_response_code_class="5"}}[%s]))',
        "rate(rpc_client_duration_seconds_count[%s])",
        f"rate(rpc_client_duration_seconds_count{{{FAULTS}}}[%s])",
        "99.9 % of requests are answered",
    ),
    Objective(
        "latency",
        0.05,
        f"(sum(rate(envoy_http_downstream_rq_time_count{{{EDGE}}}[%s]))"
        f' - sum(rate(envoy_http_downstream_rq_time_bucket{{{EDGE},le="250"}}[%s])))',
        'rate(rpc_client_duration_seconds_count{code="OK"}[%s])',  # what failed is no answer, however fast
        'rate(rpc_client_duration_seconds_count{code="OK"}[%s])'
        ' - ignoring (le) rate(rpc_client_duration_seconds_bucket{code="OK",le="0.25"}[%s])',
        "95 % of requests are answered within 250 ms",
    ),
)


@dataclass(frozen=True)
class Burn:
    """How fast the budget is spent: `rate` times as fast as it lasts for 30 days, over both windows."""

    rate: float
    long: str
    short: str


FAST = (Burn(14.4, "1h", "5m"), Burn(6, "6h", "30m"))
SLOW = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))


def rules() -> dict[str, Any]:
    """Give the rule file's content."""
    return {
        "groups": [
            {"name": f"slo-{objective.name}", "rules": [*_records(objective), *_alerts(objective)]}
            for objective in OBJECTIVES
        ]
    }


def _of(text: str, window: str) -> str:
    return text.replace("%s", window)


def _by_service(series: str) -> str:
    return f'sum by (service) (label_replace({series}, "service", "$1", "method", "/neoforge[.]([a-z]+)[.].*"))'


def _record(objective: Objective, window: str) -> str:
    return f"service:{objective.name}_bad:ratio_rate{window}"


def _records(objective: Objective) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for window in WINDOWS:
        name = _record(objective, window)
        edge_all = f"sum(rate(envoy_http_downstream_rq_time_count{{{EDGE}}}[{window}]))"
        made.append(
            {"record": name, "labels": {"service": "edge"}, "expr": f"{_of(objective.edge_bad, window)} / {edge_all}"}
        )
        every = _by_service(_of(objective.service_all, window))
        # Where nothing ever failed there is no series of failures.
        bad = f"({_by_service(_of(objective.service_bad, window))} or 0 * {every})"
        made.append({"record": name, "expr": f"{bad} / {every}"})
    return made


def _alerts(objective: Objective) -> list[dict[str, Any]]:
    title = objective.name.capitalize()
    return [
        _alert(objective, f"{title}BurnsFast", FAST, "page", "within days; a person is needed now"),
        _alert(objective, f"{title}BurnsSlowly", SLOW, "ticket", "before its 30 days are over"),
    ]


def _alert(objective: Objective, name: str, burns: tuple[Burn, ...], severity: str, when: str) -> dict[str, Any]:
    def over(burn: Burn) -> str:
        limit = f"{burn.rate:g} * {objective.budget:g}"
        return " and ".join(f"{_record(objective, window)} > {limit}" for window in (burn.long, burn.short))

    page = f"{objective.name}-burns-{'fast' if severity == 'page' else 'slowly'}"
    return {
        "alert": name,
        "expr": " or ".join(f"({over(burn)})" for burn in burns),
        "labels": {"severity": severity, "slo": objective.name},
        "annotations": {
            "summary": f"{{{{ $labels.service }}}} spends its budget of {objective.name} too fast",
            "description": "{{ $value | humanizePercentage }} of requests to {{ $labels.service }} are bad, where "
            f"{objective.promise}: at this rate the error budget is spent {when}.",
            "runbook_url": f"{RUNBOOKS}/{page}.md",
        },
    }
