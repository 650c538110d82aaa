"""The metrics that every process has; names follow Prometheus' conventions (base units, `_total` for counters)."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

rpc_server_duration = Histogram(
    "rpc_server_duration_seconds",
    "Time from a call's arrival in a service to its reply, by full method name and gRPC status",
    ("method", "code"),
    buckets=LATENCY_BUCKETS_S,
)
rpc_server_in_progress = Gauge(
    "rpc_server_calls_in_progress",
    "Calls that a service is working on",
    ("method",),
)
rpc_client_duration = Histogram(
    "rpc_client_duration_seconds",
    "Time from sending a call to its reply, retries included, by full method name and gRPC status",
    ("method", "code"),
    buckets=LATENCY_BUCKETS_S,
)
idempotency_outcomes = Counter(
    "idempotency_outcomes_total",
    "Keyed writes by what became of them: recorded, replayed, reused, in_flight",
    ("outcome",),
)
database_pool = Gauge(
    "database_pool_connections",
    "Connections of the pool by state: idle, used",
    ("state",),
)
database_up = Gauge("database_up", "1 while the database answers this process, else 0")
threats = Counter(
    "threats_total",
    "What looks like an attack, by kind: token_reuse, brute_force",
    ("kind",),
)
