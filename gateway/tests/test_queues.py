from collections.abc import AsyncIterator

import pytest_asyncio
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from chassis.embedded import redis as embedded
from gateway import queues


@pytest_asyncio.fixture
async def redis(redis_server: embedded.Redis) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_server.url)
    await client.flushall()
    yield client
    await client.flushall()
    await client.aclose()


def depth(queue: str) -> float | None:
    return REGISTRY.get_sample_value("celery_queue_depth", {"queue": queue})


async def test_a_queues_depth_is_what_waits_and_what_is_with_a_worker(redis: Redis) -> None:
    await redis.zadd("neoforge:queues", {"projects.default": 1, "projects.slow": 1})
    await redis.rpush("projects.default", "a", "b")
    await redis.hset("projects.default.unacked", "c", "c")
    await queues.look(redis)
    assert (depth("projects.default"), depth("projects.slow")) == (3, 0)


async def test_no_depth_is_told_while_redis_does_not_answer(redis: Redis) -> None:
    await redis.zadd("neoforge:queues", {"projects.default": 1})
    await queues.look(redis)
    await queues.look(Redis(port=1))
    assert depth("projects.default") is None
