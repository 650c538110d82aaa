"""How much work waits for the services' workers, seen from the edge: `celery_queue_depth` on its /metrics."""

import asyncio
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from chassis.jobs.queues import QUEUES, UNACKED, depth

_INTERVAL_S: Final = 5.0


async def watch(redis: Redis) -> None:
    """Look every five seconds, until cancelled."""
    while True:
        await look(redis)
        await asyncio.sleep(_INTERVAL_S)


async def look(redis: Redis) -> None:
    """Measure every queue once; while Redis does not answer nobody knows a depth, and none is told."""
    try:
        known: list[Any] = await redis.zrange(QUEUES, 0, -1)
        names = [name.decode() for name in known]
        pipeline = redis.pipeline(transaction=False)
        for name in names:
            pipeline.llen(name)
            pipeline.hlen(name + UNACKED)
        counts = await pipeline.execute() if names else []
    except (RedisError, OSError, TimeoutError):
        depth.clear()
        return
    for name, waiting, taken in zip(names, counts[::2], counts[1::2], strict=True):
        depth.labels(name).set(waiting + taken)
