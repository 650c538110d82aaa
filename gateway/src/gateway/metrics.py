"""The gateway's own metrics; routes appear as templates, never as paths."""

from prometheus_client import Counter, Gauge, Histogram

from chassis.metrics import LATENCY_BUCKETS_S

http_duration = Histogram(
    "http_server_request_duration_seconds",
    "Time from a request's head to the end of its answer, by method, route template and status class",
    ("method", "route", "class"),
    buckets=LATENCY_BUCKETS_S,
)
http_errors = Counter(
    "http_errors_total",
    "Answers with a status of 400 or above, by route template and class (4xx, 5xx)",
    ("route", "class"),
)
http_in_progress = Gauge("http_server_requests_in_progress", "Requests that the gateway is working on")
rate_limit_decisions = Counter(
    "rate_limit_decisions_total",
    "Decisions of the rate limiter by tier and outcome (admitted, refused)",
    ("tier", "outcome"),
)
rate_limit_local = Counter(
    "rate_limit_local_decisions_total",
    "Decisions that were made in memory because Redis did not answer in time",
)
stale_answers = Counter(
    "stale_answers_total",
    "Public answers that were the last good ones, since the service behind them was away",
)
token_rejections = Counter(
    "token_rejections_total",
    "Bearer tokens that were refused, by reason",
    ("reason",),
)
dependency_up = Gauge("dependency_up", "1 while a dependency answers the gateway's probe, else 0", ("dependency",))
