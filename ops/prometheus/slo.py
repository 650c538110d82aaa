"""The rules on error budgets: multi-window, multi-burn-rate, by service and for the edge.

Source: Beyer et al., The Site Reliability Workbook, chapter 5, table 5-8 and "6: Multiwindow, Multi-Burn-Rate Alerts".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.prometheus.alerting import runbook
from ops.promises import AVAILABILITY, FASTEST_BURN, LATENCY, WITHIN_MS, Promise

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

# The edge as Envoy, the outermost part, sees it: also a gateway that is dead. Its histogram is in milliseconds.
EDGE = 'envoy_http_conn_manager_prefix="edge"'
EDGE_ALL = f"sum(rate(envoy_http_downstream_rq_time_count{{{EDGE}}}[%s]))"
# To Envoy, a stream takes as long as somebody listens, which nobody waits for.
STREAMS = "sum(rate(streams_ended_total[%s])) or vector(0)"
# A dead Envoy says nothing, and who knocks then is counted nowhere: this tells whether there is any.
EDGE_UP = "edge:up:max"
# A service as its callers see it: one that is dead says nothing itself. Several services have the same methods, so who
# was called is `peer`. What a client did wrong is no fault of ours.
PEER = 'peer!=""'
FAULTS = 'code=~"UNAVAILABLE|INTERNAL|UNKNOWN|DATA_LOSS|DEADLINE_EXCEEDED"'
BUDGET_EVERY = "5m"


@dataclass(frozen=True)
class Objective:
    """A promise and how it is measured: what is bad at the edge; all calls of services, and the bad among them."""

    name: str
    promise: Promise
    edge_bad: str
    service_all: str
    service_bad: str

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        return self.promise.budget


OBJECTIVES = (
    Objective(
        "availability",
        AVAILABILITY,
        f'sum(rate(envoy_http_downstream_rq_xx{{{EDGE},envoy_response_code_class="5"}}[%s]))',
        f"rate(rpc_client_duration_seconds_count{{{PEER}}}[%s])",
        f"rate(rpc_client_duration_seconds_count{{{PEER},{FAULTS}}}[%s])",
    ),
    Objective(
        "latency",
        LATENCY,
        f"clamp_min({EDGE_ALL}"
        f' - sum(rate(envoy_http_downstream_rq_time_bucket{{{EDGE},le="{WITHIN_MS}"}}[%s])) - ({STREAMS}), 0)',
        f'rate(rpc_client_duration_seconds_count{{{PEER},code="OK"}}[%s])',  # what failed is no answer, however fast
        f'rate(rpc_client_duration_seconds_count{{{PEER},code="OK"}}[%s])'
        f' - ignoring (le) rate(rpc_client_duration_seconds_bucket{{{PEER},code="OK",le="{WITHIN_MS / 1000:g}"}}[%s])',
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Burn:
    """How fast the budget is spent: `rate` times as fast as it lasts for 30 days, over both windows."""

    rate: float
    long: str
    short: str


FAST = (Burn(FASTEST_BURN, "1h", "5m"), Burn(6, "6h", "30m"))
SLOW = (Burn(3, "1d", "2h"), Burn(1, "3d", "6h"))


def rules() -> dict[str, Any]:
    """Give the rule file's content."""
    groups = {objective.name: [*_records(objective), *_alerts(objective)] for objective in OBJECTIVES}
    # First of the group that goes by it: the rules of a group are evaluated one after another.
    groups[OBJECTIVES[0].name].insert(0, {"record": EDGE_UP, "expr": 'max(up{job="envoy"}) or vector(0)'})
    return {
        "groups": [
            *({"name": f"slo-{name}", "rules": made} for name, made in groups.items()),
            *(
                {"name": f"budget-{objective.name}", "interval": BUDGET_EVERY, "rules": _budget(objective)}
                for objective in OBJECTIVES
            ),
        ]
    }


def records() -> Iterator[str]:
    """Give the name of every series that the rules record."""
    for group in rules()["groups"]:
        yield from (rule["record"] for rule in group["rules"] if "record" in rule)


def record(objective: Objective, window: str) -> str:
    """Name the recorded share of bad requests over a window."""
    return f"service:{objective.name}_bad:ratio_rate{window}"


def _of(text: str, window: str) -> str:
    return text.replace("%s", window)


def _by_service(series: str) -> str:
    return f'sum by (service) (label_replace({series}, "service", "$1", "peer", "(.+)"))'


def _service_bad(objective: Objective, window: str) -> str:
    """Give the rate of bad calls: where nothing ever failed there is no series of failures."""
    every = _by_service(_of(objective.service_all, window))
    return f"({_by_service(_of(objective.service_bad, window))} or 0 * {every})"


def _edge_share(objective: Objective, window: str, bad: str, every: str) -> str:
    """Give the edge's share of bad requests.

    While there is no Envoy people knock as often as while there is one: that share of the window is bad. Where there
    was none all the time, it is bad if anybody came in the three days before. Without requests there is no share.
    """
    if objective.promise is not AVAILABILITY:
        return f"{bad} / ({every} > 0)"
    there = f"avg_over_time({EDGE_UP}[{window}])"
    anybody = f"{_of(EDGE_ALL, WINDOWS[-1])} > 0"
    return f"({there} * ({bad} / ({every} > 0)) + (1 - {there})) or ((1 - ({there} == 0)) and ({anybody}))"


def _records(objective: Objective) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for window in WINDOWS:
        name = record(objective, window)
        edge = _edge_share(objective, window, _of(objective.edge_bad, window), _of(EDGE_ALL, window))
        made.append({"record": name, "labels": {"service": "edge"}, "expr": edge})
        every = _by_service(_of(objective.service_all, window))
        made.append({"record": name, "expr": f"{_service_bad(objective, window)} / ({every} > 0)"})
    return made


def _budget(objective: Objective) -> list[dict[str, Any]]:
    """Record the share of 30 days, from a rate every five minutes: 8,640 samples instead of all that was scraped."""
    every, bad = f"service:{objective.name}_all:rate5m", f"service:{objective.name}_bad:rate5m"
    edge = {"labels": {"service": "edge"}}
    at_edge = [f'sum(sum_over_time({name}{{service="edge"}}[30d]))' for name in (bad, every)]
    of_service = [f'sum_over_time({name}{{service!="edge"}}[30d])' for name in (bad, every)]
    return [
        {"record": every, **edge, "expr": _of(EDGE_ALL, "5m")},
        {"record": every, "expr": _by_service(_of(objective.service_all, "5m"))},
        {"record": bad, **edge, "expr": _of(objective.edge_bad, "5m")},
        {"record": bad, "expr": _service_bad(objective, "5m")},
        {"record": record(objective, "30d"), **edge, "expr": _edge_share(objective, "30d", *at_edge)},
        {"record": record(objective, "30d"), "expr": f"{of_service[0]} / ({of_service[1]} > 0)"},
    ]


def _alerts(objective: Objective) -> list[dict[str, Any]]:
    title = objective.name.capitalize()
    return [
        _alert(objective, f"{title}BurnsFast", FAST, "page", "within days; a person is needed now"),
        _alert(objective, f"{title}BurnsSlowly", SLOW, "ticket", "before its 30 days are over"),
    ]


def _alert(objective: Objective, name: str, burns: tuple[Burn, ...], severity: str, when: str) -> dict[str, Any]:
    def over(burn: Burn) -> str:
        limit = f"{burn.rate:g} * {objective.budget:g}"
        return " and ".join(f"{record(objective, window)} > {limit}" for window in (burn.long, burn.short))

    return {
        "alert": name,
        "expr": " or ".join(f"({over(burn)})" for burn in burns),
        "labels": {"severity": severity, "slo": objective.name},
        "annotations": {
            "summary": f"{{{{ $labels.service }}}} spends its budget of {objective.name} too fast",
            "description": "{{ $value | humanizePercentage }} of requests to {{ $labels.service }} are bad, where "
            f"{objective.promise.text}: at this rate the error budget is spent {when}.",
            "runbook_url": runbook(name),
        },
    }
