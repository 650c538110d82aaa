"""What a process that is no worker can read of Celery's queues in Redis, and the metric that tells it."""

from typing import Final

from prometheus_client import Gauge

QUEUES: Final = "neoforge:queues"
"""A sorted set of the names of all queues (`projects.default`), scored by when each was last seen (Unix seconds).

The depth of a queue is the length of the list of its name and of the hash of its name and UNACKED.
"""
UNACKED: Final = ".unacked"
"""Behind a queue's name: the hash of the messages that are with a worker."""

depth = Gauge(
    "celery_queue_depth",
    "Messages of a Celery queue that wait or are with a worker, read from Redis",
    ("queue",),
)
