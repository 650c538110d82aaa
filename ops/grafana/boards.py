"""The dashboards of the whole: overview, edge, jobs, error budgets, PostgreSQL and Redis."""

from grafana_foundation_sdk.builders.dashboard import Dashboard
from ops.grafana.panels import (
    BYTES,
    BYTES_PER_SECOND,
    MILLISECONDS,
    NUMBER,
    PER_SECOND,
    QUANTILES,
    RATIO,
    SECONDS,
    board,
    lines,
    number,
    quantiles,
    row,
)
from ops.prometheus.alerting import limit
from ops.prometheus.slo import EDGE, FAST, OBJECTIVES, SLOW, record
from ops.promises import AVAILABILITY, LATENCY, SLOWER


def overview() -> Dashboard:
    """How the product does: what people feel, and how much room is left."""
    edge = [
        (
            f"histogram_quantile({q}, sum by (le) (rate(envoy_http_downstream_rq_time_bucket{{{EDGE}}}[$__rate_interval])))",
            f"p{q * 100:g}",
        )
        for q in QUANTILES
    ]
    return (
        board("overview", "overview", "What people feel of the product, and how much room is left.")
        .with_row(row("Now"))
        .with_panel(number("Requests", PER_SECOND, f"sum(rate(envoy_http_downstream_rq_xx{{{EDGE}}}[$__rate_interval]))"))
        .with_panel(number("Failed", RATIO, 'service:availability_bad:ratio_rate5m{service="edge"}', most=AVAILABILITY.budget))
        .with_panel(number(SLOWER, RATIO, 'service:latency_bad:ratio_rate5m{service="edge"}', most=LATENCY.budget))
        .with_panel(number("Processes down", NUMBER, 'count(up{job=~"neoforge|envoy"} == 0) or vector(0)', most=1))
        .with_panel(number("Not ready", NUMBER, "count(dependency_up == 0) or vector(0)", most=1))
        .with_panel(number("Oldest message due", SECONDS, "max(outbox_oldest_age_seconds)", most=limit("OutboxTooOld")))
        .with_row(row("Requests"))
        .with_panel(lines("Requests by class", PER_SECOND, ("sum by (class) (rate(http_server_request_duration_seconds_count[$__rate_interval]))", "{{class}}")))
        .with_panel(lines("Time at the edge", MILLISECONDS, *edge))
        .with_panel(lines("Time in the gateway", SECONDS, *quantiles("http_server_request_duration_seconds", 'class!="none"'), exemplars=True))
        .with_panel(lines("Failed calls by service", RATIO, ("service:availability_bad:ratio_rate5m", "{{service}}"), most=AVAILABILITY.budget))
        .with_panel(lines("Slow calls by service", RATIO, ("service:latency_bad:ratio_rate5m", "{{service}}"), most=LATENCY.budget))
        .with_panel(lines("p95 by service", SECONDS, ("histogram_quantile(0.95, sum by (service, le) (rate(rpc_server_duration_seconds_bucket[$__rate_interval])))", "{{service}}"), exemplars=True))
        .with_row(row("Saturation"))
        .with_panel(lines("CPU by process", NUMBER, ('sum by (service, process) (rate(process_cpu_seconds_total{job="neoforge"}[$__rate_interval]))', "{{service}} {{process}}")))
        .with_panel(lines("Memory by process", BYTES, ('sum by (service, process) (process_resident_memory_bytes{job="neoforge"})', "{{service}} {{process}}")))
        .with_panel(lines("Database pools in use", RATIO, ('sum by (service, process) (database_pool_connections{state="used"}) / sum by (service, process) (database_pool_limit_connections)', "{{service}} {{process}}"), most=1))
        .with_panel(lines("In progress", NUMBER, ("sum(http_server_requests_in_progress)", "requests"), ("sum by (service) (rpc_server_calls_in_progress)", "calls of {{service}}")))
        .with_panel(lines("Refused for want of time", PER_SECOND, ("sum by (service) (rate(admission_refusals_total[$__rate_interval]))", "{{service}}")))
        .with_panel(lines("Waiting for a place", NUMBER, ("sum by (service) (admission_waiting_requests)", "{{service}}"), ("min by (service) (admission_limit_requests)", "places of {{service}}")))
        .with_panel(lines("Event loops late by", SECONDS, ("max by (service) (event_loop_late_seconds)", "{{service}}")))
        .with_panel(lines("Calls repeated", PER_SECOND, ("sum by (service, outcome) (rate(rpc_client_retries_total[$__rate_interval]))", "{{service}} {{outcome}}")))
        .with_panel(lines("Open files", RATIO, ('max by (service, process) (process_open_fds{job="neoforge"} / process_max_fds{job="neoforge"})', "{{service}} {{process}}")))
        .with_panel(lines("Ready", NUMBER, ("min by (service, process) (dependency_up)", "{{service}} {{process}}")))
        .with_panel(lines("Versions", NUMBER, ("count by (version, python) (neoforge_build_info)", "{{version}} on Python {{python}}")))
        .with_panel(lines("Up for", SECONDS, ('time() - min by (service, process) (process_start_time_seconds{job="neoforge"})', "{{service}} {{process}}")))
        .with_panel(lines("Certificates expire in", SECONDS, ("min by (service) (tls_certificate_expires_timestamp_seconds > 0) - time()", "{{service}}")))
    )  # fmt: skip


def edge() -> Dashboard:
    """Who is let in: limits, keyed writes, threats."""
    return (
        board("edge", "edge", "Who is let in, and who is not: limits, keyed writes, tokens, threats.")
        .with_row(row("Requests"))
        .with_panel(lines("Answers by class", PER_SECOND, (f"sum by (envoy_response_code_class) (rate(envoy_http_downstream_rq_xx{{{EDGE}}}[$__rate_interval]))", "{{envoy_response_code_class}}xx")))
        .with_panel(lines("Connections and requests", NUMBER, (f"sum(envoy_http_downstream_cx_active{{{EDGE}}})", "connections"), (f"sum(envoy_http_downstream_rq_active{{{EDGE}}})", "requests")))
        .with_panel(lines("Busiest routes", PER_SECOND, ("topk(10, sum by (method, route) (rate(http_server_request_duration_seconds_count[$__rate_interval])))", "{{method}} {{route}}")))
        .with_panel(lines("p95 of the slowest routes", SECONDS, ("topk(10, histogram_quantile(0.95, sum by (route, le) (rate(http_server_request_duration_seconds_bucket[$__rate_interval]))))", "{{route}}"), exemplars=True))
        .with_panel(lines("4xx by route", PER_SECOND, ('topk(10, sum by (route) (rate(http_errors_total{class="4xx"}[$__rate_interval])))', "{{route}}")))
        .with_panel(lines("5xx by route", PER_SECOND, ('topk(10, sum by (route) (rate(http_errors_total{class="5xx"}[$__rate_interval]))) or vector(0)', "{{route}}")))
        .with_row(row("Streams of events"))
        .with_panel(lines("Open streams", NUMBER, ("sum by (route) (streams_open)", "{{route}}")))
        .with_panel(lines("Events sent on streams", PER_SECOND, ("sum by (route) (rate(stream_events_total[$__rate_interval]))", "{{route}}")))
        .with_panel(lines("Streams that ended", PER_SECOND, ("sum by (reason) (rate(streams_ended_total[$__rate_interval]))", "{{reason}}")))
        .with_row(row("Limits and keyed writes"))
        .with_panel(lines("Admitted by tier", PER_SECOND, ('sum by (tier) (rate(rate_limit_decisions_total{outcome="admitted"}[$__rate_interval]))', "{{tier}}")))
        .with_panel(lines("Refused by tier", PER_SECOND, ('sum by (tier) (rate(rate_limit_decisions_total{outcome="refused"}[$__rate_interval]))', "{{tier}}")))
        .with_panel(lines("Decided without Redis", PER_SECOND, ("sum(rate(rate_limit_local_decisions_total[$__rate_interval]))", "decisions")))
        .with_panel(lines("Commands in one pipeline to Redis", NUMBER, ("sum by (line) (rate(redis_batch_size_sum[$__rate_interval])) / sum by (line) (rate(redis_batch_size_count[$__rate_interval]))", "{{line}}, mean"), ("histogram_quantile(0.99, sum by (line, le) (rate(redis_batch_size_bucket[$__rate_interval])))", "{{line}}, p99")))
        .with_panel(lines("Wait for a pipeline to Redis", SECONDS, *quantiles("redis_batch_wait_seconds")))
        .with_panel(lines("Keyed writes by outcome", PER_SECOND, ("sum by (outcome) (rate(idempotency_outcomes_total[$__rate_interval]))", "{{outcome}}")))
        .with_row(row("The cache of public answers"))
        .with_panel(lines("Public reads by where the answer came from", PER_SECOND, ("sum by (result) (rate(cache_requests_total[$__rate_interval]))", "{{result}}")))
        .with_panel(lines("Answered by the cache", RATIO, ('sum(rate(cache_requests_total{result=~"hit|stale|last good"}[$__rate_interval])) / (sum(rate(cache_requests_total[$__rate_interval])) > 0) or vector(0)', "of public reads")))
        .with_panel(lines("Memory of the cache", BYTES, ("sum(cache_bytes)", "answers")))
        .with_panel(lines("Answers in the cache", NUMBER, ("sum(cache_entries)", "kept"), ("sum(rate(cache_evictions_total[$__rate_interval]))", "made room, a second")))
        .with_row(row("Threats"))
        .with_panel(lines("Threats by kind", PER_SECOND, ("sum by (kind) (rate(threats_total[$__rate_interval]))", "{{kind}}")))
        .with_panel(lines("Refused by Envoy before the gateway", PER_SECOND, (f"sum(rate(envoy_http_downstream_cx_protocol_error{{{EDGE}}}[$__rate_interval]))", "smuggling, oversized heads and noise"), (f"sum(rate(envoy_http_downstream_rq_failed_path_normalization{{{EDGE}}}[$__rate_interval]))", "traversal")))
        .with_panel(lines("Penalised addresses", NUMBER, ("max(penalised_addresses)", "now")))
        .with_panel(lines("Penalties", PER_SECOND, ("sum(rate(address_penalties_total[$__rate_interval]))", "that begin"), ("sum(rate(penalty_points_lost_total[$__rate_interval]))", "points lost without Redis")))
        .with_panel(lines("Refused tokens by reason", PER_SECOND, ("sum by (reason) (rate(token_rejections_total[$__rate_interval]))", "{{reason}}")))
    )  # fmt: skip


def jobs() -> Dashboard:
    """Work that is done later."""
    return (
        board("jobs", "jobs and queues", "Work that is done later: outbox, queues, attempts, mail, webhooks.")
        .with_row(row("Waiting"))
        .with_panel(lines("Depth of queues", NUMBER, ("max by (queue) (celery_queue_depth)", "{{queue}}"), most=limit("QueueTooDeep")))
        .with_panel(lines("Messages of the outbox", NUMBER, ("max by (service, state) (outbox_messages)", "{{service}} {{state}}")))
        .with_panel(lines("Oldest message that is due", SECONDS, ("max by (service) (outbox_oldest_age_seconds)", "{{service}}"), most=limit("OutboxTooOld")))
        .with_panel(lines("Messages handed to Celery at once", NUMBER, ("sum by (queue) (rate(outbox_batch_size_sum[$__rate_interval])) / sum by (queue) (rate(outbox_batch_size_count[$__rate_interval]))", "{{queue}}, mean")))
        .with_panel(lines("Wait for the relay", SECONDS, *quantiles("outbox_wait_seconds")))
        .with_row(row("Attempts"))
        .with_panel(lines("Attempts by outcome", PER_SECOND, ("sum by (outcome) (rate(job_duration_seconds_count[$__rate_interval]))", "{{outcome}}")))
        .with_panel(lines("Attempts by kind", PER_SECOND, ("topk(10, sum by (kind) (rate(job_duration_seconds_count[$__rate_interval])))", "{{kind}}")))
        .with_panel(lines("p95 by kind", SECONDS, ("topk(10, histogram_quantile(0.95, sum by (kind, le) (rate(job_duration_seconds_bucket[$__rate_interval]))))", "{{kind}}")))
        .with_panel(lines("Handed to Celery", PER_SECOND, ("sum by (kind) (rate(outbox_handed_out_total[$__rate_interval]))", "{{kind}}")))
        .with_panel(lines("Failures by kind", PER_SECOND, ("sum by (kind) (rate(job_failures_total[$__rate_interval])) or vector(0)", "{{kind}}")))
        .with_panel(lines("Repeated attempts by kind", PER_SECOND, ("sum by (kind) (rate(job_retries_total[$__rate_interval])) or vector(0)", "{{kind}}")))
        .with_row(row("Mail and webhooks"))
        .with_panel(lines("Mails by outcome", PER_SECOND, ("sum by (outcome) (rate(mail_messages_total[$__rate_interval]))", "{{outcome}}")))
        .with_panel(lines("Webhook attempts by outcome", PER_SECOND, ("sum by (outcome) (rate(webhook_deliveries_total[$__rate_interval]))", "{{outcome}}")))
        .with_panel(lines("p95 of webhook endpoints", SECONDS, ("histogram_quantile(0.95, sum by (le) (rate(webhook_delivery_duration_seconds_bucket[$__rate_interval])))", "p95")))
        .with_panel(lines("Endpoints disabled", NUMBER, ("sum by (reason) (increase(webhook_endpoints_disabled_total[$__range])) or vector(0)", "{{reason}}")))
    )  # fmt: skip


def slo() -> Dashboard:
    """The promises, and what is left of what may go wrong."""
    made = board("slo", "error budgets", "The promises, and what is left of what may go wrong in 30 days.").time(
        "now-7d", "now"
    )
    for objective in OBJECTIVES:
        left = f"clamp_min(1 - {record(objective, '30d')} / {objective.budget:g}, 0)"
        made = made.with_row(row(f"{objective.name.capitalize()}: {objective.promise.text}")).with_panel(
            lines("Budget left of 30 days", RATIO, (left, "{{service}}"), span=12)
        )
        for burn, does in ((FAST[0], "wakes someone"), (FAST[1], "wakes someone"), (SLOW[0], "makes a ticket")):
            title = f"Burn rate over {burn.long} ({burn.rate:g} {does})"
            rate = f"{record(objective, burn.long)} / {objective.budget:g}"
            made = made.with_panel(lines(title, NUMBER, (rate, "{{service}}"), span=12, most=burn.rate))
    return made


def stores() -> Dashboard:
    """PostgreSQL and Redis by their exporters."""
    ours = 'datname="neoforge"'
    return (
        board("stores", "PostgreSQL and Redis", "By postgres_exporter and redis_exporter.")
        .with_row(row("PostgreSQL"))
        .with_panel(number("Answers", NUMBER, "min(pg_up)", span=6, least=1))
        .with_panel(number("Connections in use", RATIO, "sum(pg_stat_activity_count) / max(pg_settings_max_connections)", span=6, most=0.9))
        .with_panel(number("Size", BYTES, f"max(pg_database_size_bytes{{{ours}}})", span=6))
        .with_panel(number("Last backup", SECONDS, "time() - max(backup_last_success_timestamp_seconds)", span=6, most=limit("BackupTooOld")))
        .with_panel(lines("Connections by state", NUMBER, (f"sum by (state) (pg_stat_activity_count{{{ours}}})", "{{state}}")))
        .with_panel(lines("Transactions", PER_SECOND, (f"sum(rate(pg_stat_database_xact_commit{{{ours}}}[$__rate_interval]))", "committed"), (f"sum(rate(pg_stat_database_xact_rollback{{{ours}}}[$__rate_interval]))", "rolled back")))
        .with_panel(lines("Oldest transaction", SECONDS, (f"max by (state) (pg_stat_activity_max_tx_duration{{{ours}}})", "{{state}}")))
        .with_panel(lines("Found in memory", RATIO, (f"sum(rate(pg_stat_database_blks_hit{{{ours}}}[$__rate_interval])) / (sum(rate(pg_stat_database_blks_hit{{{ours}}}[$__rate_interval])) + sum(rate(pg_stat_database_blks_read{{{ours}}}[$__rate_interval])))", "of blocks")))
        .with_panel(lines("Rows", PER_SECOND, (f"sum(rate(pg_stat_database_tup_fetched{{{ours}}}[$__rate_interval]))", "by index"), (f"sum(rate(pg_stat_database_tup_returned{{{ours}}}[$__rate_interval]))", "read")))
        .with_panel(lines("Deadlocks", PER_SECOND, (f"sum(rate(pg_stat_database_deadlocks{{{ours}}}[$__rate_interval]))", "deadlocks")))
        .with_panel(lines("Temporary files", BYTES_PER_SECOND, (f"sum(rate(pg_stat_database_temp_bytes{{{ours}}}[$__rate_interval]))", "written")))
        .with_panel(lines("Locks", NUMBER, (f"sum by (mode) (pg_locks_count{{{ours}}})", "{{mode}}")))
        .with_row(row("Redis"))
        .with_panel(number("Answers", NUMBER, "min(redis_up)", span=8, least=1))
        .with_panel(number("Written to disk", NUMBER, "min(redis_aof_last_write_status)", span=8, least=1))
        .with_panel(number("Evicted", NUMBER, "sum(redis_evicted_keys_total)", span=8, most=1))
        .with_panel(lines("Memory", BYTES, ("sum(redis_memory_used_bytes)", "used")))
        .with_panel(lines("Clients", NUMBER, ("sum(redis_connected_clients)", "connected"), ("sum(redis_blocked_clients)", "waiting for work")))
        .with_panel(lines("Keys", NUMBER, ("sum by (db) (redis_db_keys)", "{{db}}")))
        .with_panel(lines("Commands", PER_SECOND, ("topk(10, sum by (cmd) (rate(redis_commands_total[$__rate_interval])))", "{{cmd}}")))
        .with_panel(lines("Time in commands", NUMBER, ("topk(10, sum by (cmd) (rate(redis_commands_duration_seconds_total[$__rate_interval])))", "{{cmd}}")))
    )  # fmt: skip
