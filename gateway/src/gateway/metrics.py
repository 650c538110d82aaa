"""The gateway's own metrics; routes appear as templates, never as paths."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from chassis.metrics import LATENCY_BUCKETS_S

http_duration = Histogram(
    "http_server_request_duration_seconds",
    "Time from a request's head to the end of its answer, by method, route template and class of its status "
    "(2xx to 5xx; none: the client went away before there was one)",
    ("method", "route", "class"),
    buckets=LATENCY_BUCKETS_S,
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_label(method: str) -> str:
    """Give the method of a request as a label: anyone may send any word for one, so unknown ones are `other`."""
    return method if method in _METHODS else "other"


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
address_penalties = Counter("address_penalties_total", "Penalties of addresses for threats that began")
penalised_addresses = Gauge("penalised_addresses", "Addresses whose penalty runs, as all gateways count them together")
penalty_points_lost = Counter(
    "penalty_points_lost_total", "Points of addresses for threats that nobody keeps, since Redis did not answer in time"
)
redis_batch_size = Histogram(
    "redis_batch_size",
    "Commands that went to Redis in one pipeline, by the line that they waited in",
    ("line",),
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
redis_batch_wait = Histogram(
    "redis_batch_wait_seconds",
    "How long the first command of a pipeline waited until it went to Redis, by the line that it waited in",
    ("line",),
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
streams_open = Gauge("streams_open", "Streams of events that clients follow, by route template", ("route",))
stream_events = Counter("stream_events_total", "Events that were sent on streams, by route template", ("route",))
streams_ended = Counter(
    "streams_ended_total",
    "Streams that ended, by reason: the client left, or was slow to take what it was sent; its token or its rights are "
    "good no more; the service was gone for too long; it was of the greatest age; this gateway drains",
    ("reason",),
)
cache_requests = Counter(
    "cache_requests_total",
    "Requests for what nobody in particular gets, by where the answer came from (hit, stale, last good: the cache; "
    "miss, unchanged, shared, bypass: the service; refused: nowhere)",
    ("result",),
)
cache_entries = Gauge("cache_entries", "Answers that this process keeps for everyone")
cache_bytes = Gauge("cache_bytes", "Memory that the answers take which this process keeps for everyone")
cache_evictions = Counter("cache_evictions_total", "Answers that made room for others")
csp_reports = Counter(
    "csp_reports_total",
    "Reports of browsers that a page broke its content security policy, by directive",
    ("directive",),
)
token_rejections = Counter(
    "token_rejections_total",
    "Bearer tokens that were refused, by reason",
    ("reason",),
)
