"""The metrics of every process; those of services alone are in service_metrics.py.

Names follow Prometheus' conventions (base units, `_total` for counters).
"""

from prometheus_client import Histogram

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

rpc_client_duration = Histogram(
    "rpc_client_duration_seconds",
    "Time from sending a call to its reply, retries included, by full method name and gRPC status",
    ("method", "code"),
    buckets=LATENCY_BUCKETS_S,
)
