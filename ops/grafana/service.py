"""One service: the same dashboard for each."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from ops.grafana.panels import BYTES, NUMBER, PER_SECOND, RATIO, SECONDS, Query, board, lines, number, quantiles, row
from ops.prometheus.alerting import limit
from ops.promises import AVAILABILITY, LATENCY, SLOWER

OWN: dict[str, list[tuple[str, str, Query]]] = {
    "auth": [
        ("Sign-ins", PER_SECOND, ("sum by (outcome) (rate(auth_sign_ins_total[$__rate_interval]))", "{{outcome}}")),
        ("Refreshes", PER_SECOND, ("sum by (outcome) (rate(auth_refreshes_total[$__rate_interval]))", "{{outcome}}")),
    ],
}
"""What a service has beyond the others: title, unit, query."""


def service(name: str) -> Dashboard:
    """Calls, what stands in their way, and the jobs of a service."""
    of = f'service="{name}"'
    short = 'method", "$1", "method", ".*/(.*)"'
    made = (
        board(f"service-{name}", name, f"The {name} service: its calls, what they need, its jobs.")
        .with_row(row("Calls"))
        .with_panel(number("Calls", PER_SECOND, f"sum(rate(rpc_server_duration_seconds_count{{{of}}}[$__rate_interval]))"))
        .with_panel(number("Failed, to its callers", RATIO, f"service:availability_bad:ratio_rate5m{{{of}}}", most=AVAILABILITY.budget))
        .with_panel(number(f"{SLOWER}, to its callers", RATIO, f"service:latency_bad:ratio_rate5m{{{of}}}", most=LATENCY.budget))
        .with_panel(number("Ready", NUMBER, f"min by (process, dependency) (dependency_up{{{of}}})", "{{process}} {{dependency}}", span=12, least=1))
        .with_panel(lines("Calls by method", PER_SECOND, (f'sum by (method) (label_replace(rate(rpc_server_duration_seconds_count{{{of}}}[$__rate_interval]), "{short}))', "{{method}}")))
        .with_panel(lines("Calls that were not OK", PER_SECOND, (f'sum by (method, code) (label_replace(rate(rpc_server_duration_seconds_count{{{of},code!="OK"}}[$__rate_interval]), "{short}))', "{{method}} {{code}}")))
        .with_panel(lines("Time of calls", SECONDS, *quantiles("rpc_server_duration_seconds", of), exemplars=True))
        .with_panel(lines("p95 of the slowest methods", SECONDS, (f'topk(8, histogram_quantile(0.95, sum by (method, le) (label_replace(rate(rpc_server_duration_seconds_bucket{{{of}}}[$__rate_interval]), "{short}))))', "{{method}}"), exemplars=True))
        .with_panel(lines("In progress", NUMBER, (f"sum(rpc_server_calls_in_progress{{{of}}})", "calls")))
        .with_panel(lines("Keyed writes by outcome", PER_SECOND, (f"sum by (outcome) (rate(idempotency_outcomes_total{{{of}}}[$__rate_interval]))", "{{outcome}}")))
        .with_row(row("Room"))
        .with_panel(lines("Database connections", NUMBER, (f"sum by (process, state) (database_pool_connections{{{of}}})", "{{process}} {{state}}"), (f"sum by (process) (database_pool_waiting_calls{{{of}}})", "{{process}} calls waiting")))
        .with_panel(lines("CPU", NUMBER, (f"sum by (process) (rate(process_cpu_seconds_total{{{of}}}[$__rate_interval]))", "{{process}}")))
        .with_panel(lines("Memory", BYTES, (f"sum by (process) (process_resident_memory_bytes{{{of}}})", "{{process}} resident"), (f"sum by (process) (process_virtual_memory_bytes{{{of}}})", "{{process}} virtual")))
        .with_row(row("Jobs"))
        .with_panel(lines("Attempts by kind and outcome", PER_SECOND, (f"sum by (kind, outcome) (rate(job_duration_seconds_count{{{of}}}[$__rate_interval]))", "{{kind}} {{outcome}}")))
        .with_panel(lines("Time of attempts", SECONDS, *quantiles("job_duration_seconds", of)))
        .with_panel(lines("Outbox", NUMBER, (f"max by (state) (outbox_messages{{{of}}})", "{{state}}")))
        .with_panel(lines("Oldest message that is due", SECONDS, (f"max(outbox_oldest_age_seconds{{{of}}})", "oldest"), most=limit("OutboxTooOld")))
    )  # fmt: skip
    if name in OWN:
        made = made.with_row(row(f"Of {name} alone"))
        for title, unit, query in OWN[name]:
            made = made.with_panel(lines(title, unit, query))
    return made
