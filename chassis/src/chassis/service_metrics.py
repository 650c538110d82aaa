"""The metrics that every service has, and the gateway has not."""

from prometheus_client import Counter, Gauge, Histogram

from chassis.metrics import LATENCY_BUCKETS_S, begin

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
idempotency_outcomes = Counter(
    "idempotency_outcomes_total",
    "Keyed writes by what became of them: recorded, replayed, reused, in_flight",
    ("outcome",),
)
begin(idempotency_outcomes, ("recorded", "replayed", "reused", "in_flight"))
database_pool = Gauge(
    "database_pool_connections",
    "Connections of the pool by state: idle, used",
    ("state",),
)
database_pool_limit = Gauge("database_pool_limit_connections", "How many connections the pool may have")
database_pool_waiting = Gauge("database_pool_waiting_calls", "Calls that wait for a connection of the pool")
