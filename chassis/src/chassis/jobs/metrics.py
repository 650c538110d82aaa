"""The metrics of jobs; gauges are read from Redis and PostgreSQL: of a service's workers take the max, not the sum."""

from prometheus_client import Counter, Gauge, Histogram

outbox_messages = Gauge(
    "outbox_messages",
    "Messages of the outbox by state: waiting, leased (with the broker or a worker), dead",
    ("state",),
)
outbox_oldest_age = Gauge(
    "outbox_oldest_age_seconds",
    "How long the oldest message that is due and not handled has been due",
)
handed_out = Counter("outbox_handed_out_total", "Messages handed to Celery, repetitions included", ("kind",))
batch_size = Histogram(
    "outbox_batch_size",
    "Messages that were handed to Celery at once, by queue",
    ("queue",),
    buckets=(1, 2, 5, 10, 20, 50, 100, 200),
)
wait = Histogram(
    "outbox_wait_seconds",
    "How long a message had been due when it was handed to Celery, by queue, repetitions included",
    ("queue",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600),
)
job_duration = Histogram(
    "job_duration_seconds",
    "Time of one attempt at a job by kind and outcome: succeeded, failed, dead, returned, lost",
    ("kind", "outcome"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
job_retries = Counter("job_retries_total", "Attempts after the first, by kind", ("kind",))
job_failures = Counter("job_failures_total", "Attempts that failed, by kind", ("kind",))
