import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from chassis.embedded.redis import Redis as RedisServer
from gateway.ratelimit import SCRIPT, Limiter, Uncounted
from gateway.redisline import Keys, RedisLine
from gateway.tiers import Tier

TIER = Tier("reads", 1_000, 24 * 60 * 60)
"""So slow that nothing comes back while a test runs."""
UNHURRIED_S = 60.0
"""Longer than any machine is busy: whoever asks a Redis that is there is counted there."""


@asynccontextmanager
async def line_to(url: str, patience_s: float = UNHURRIED_S) -> AsyncIterator[RedisLine]:
    async with Redis.from_url(url, socket_timeout=UNHURRIED_S, socket_connect_timeout=UNHURRIED_S) as redis:
        line = RedisLine(redis, "gcra", SCRIPT, patience_s)
        going = asyncio.create_task(line.keep_going())
        yield line
        going.cancel()


async def asks(line: RedisLine, who: str) -> list[int] | None:
    return await line.run(who, TIER.interval_us, TIER.quota, 1)


async def until_back(line: RedisLine) -> None:
    async with asyncio.timeout(10):
        while await asks(line, "back") is None:  # noqa: ASYNC110 - it is another process that comes back
            await asyncio.sleep(0.02)


async def test_many_who_ask_at_once_each_get_their_own_answer(redis_server: RedisServer) -> None:
    async with line_to(redis_server.url) as line:
        answers = await asyncio.gather(*(asks(line, f"many-{i % 10}") for i in range(200)))
        left = sorted(answer[1] for answer in answers if answer)
        assert left == sorted(TIER.quota - n for n in range(1, 21) for _ in range(10))


async def test_the_size_and_the_wait_of_each_batch_are_told(redis_server: RedisServer) -> None:
    def told(name: str) -> float:
        return REGISTRY.get_sample_value(name, {"line": "gcra"}) or 0.0

    names = ("redis_batch_size_sum", "redis_batch_size_count", "redis_batch_wait_seconds_count")
    async with line_to(redis_server.url) as line:
        await asks(line, "alone")
        before = [told(name) for name in names]
        await asyncio.gather(*(asks(line, "together") for _ in range(50)))
        commands, batches, waits = (told(name) - was for name, was in zip(names, before, strict=True))
    assert (commands, batches, waits) == (50, 1, 1)


async def test_a_flushed_script_is_loaded_again_and_nobody_is_counted_twice(redis_server: RedisServer) -> None:
    async with line_to(redis_server.url) as line, Redis.from_url(redis_server.url) as redis:
        await asks(line, "flushed")
        await redis.script_flush()
        answers = await asyncio.gather(*(asks(line, "flushed") for _ in range(20)))
        assert sorted(a[1] for a in answers if a) == [TIER.quota - n for n in range(21, 1, -1)]


async def test_a_given_back_request_comes_before_what_is_asked_after_it(redis_server: RedisServer) -> None:
    async with line_to(redis_server.url) as line:
        limiter = Limiter(line)
        first = await limiter.take(TIER, "order")
        assert limiter.give_back(first, "order").left == TIER.quota
        assert (await limiter.take(TIER, "order")).left == TIER.quota - 1


async def test_when_redis_dies_everyone_is_decided_in_memory_at_once_and_again_in_redis_when_it_is_back(
    tmp_path: Path,
) -> None:
    server = RedisServer(tmp_path / "redis").start()
    try:
        async with line_to(server.url) as line:
            limiter = Limiter(line)
            await limiter.take(TIER, "someone")
            server.stop()
            for _ in range(3):
                started = time.perf_counter()
                decision = await limiter.take(TIER, "someone")
                assert decision.allowed
                assert time.perf_counter() - started < 0.5
            server.start()
            await until_back(line)
    finally:
        server.stop()


async def test_a_redis_that_hangs_holds_nobody_longer_than_the_patience(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with line_to(server.url, 0.02) as line:
            await until_back(line)
            async with Redis.from_url(server.url) as redis:
                pid = (await redis.info("server"))["process_id"]
            os.kill(pid, signal.SIGSTOP)
            try:
                started = time.perf_counter()
                answers = await asyncio.gather(*(asks(line, "someone") for _ in range(50)))
                assert time.perf_counter() - started < 2
                assert answers == [None] * 50
            finally:
                os.kill(pid, signal.SIGCONT)
            await until_back(line)


async def test_a_strict_tier_waits_for_a_redis_that_is_busy_for_a_moment_and_counts_once(
    redis_server: RedisServer,
) -> None:
    strict = replace(TIER, strict=True)
    async with Redis.from_url(redis_server.url) as redis:
        line = RedisLine(redis, "gcra", SCRIPT, 0.000_001)
        limiter = Limiter(line)
        taking = asyncio.create_task(limiter.take(strict, "patient"))
        await asyncio.sleep(0)  # it is in the line, which nobody carries yet
        going = asyncio.create_task(line.keep_going())
        assert (await taking).left == TIER.quota - 1
        going.cancel()


async def test_a_strict_tier_admits_nothing_that_redis_does_not_count(tmp_path: Path) -> None:
    strict = replace(TIER, strict=True)
    with RedisServer(tmp_path / "redis") as server:
        async with line_to(server.url, 0.02) as line:
            await until_back(line)
            async with Redis.from_url(server.url) as redis:
                pid = (await redis.info("server"))["process_id"]
            os.kill(pid, signal.SIGSTOP)
            try:
                with pytest.raises(Uncounted):
                    await Limiter(line).take(strict, "someone")
            finally:
                os.kill(pid, signal.SIGCONT)


async def test_who_was_counted_in_redis_does_not_begin_with_a_full_bucket_in_memory() -> None:
    class Counting:
        """Redis as it counts, until it is away."""

        away = False

        async def run(self, _key: Keys, *_arguments: int, **_options: float) -> list[int] | None:
            return None if self.away else [1, 2, 0, 1, 1_700_000_000_000_000]

        def send(self, _key: Keys, *_arguments: int) -> None:
            raise AssertionError("nothing is given back here")

    redis, tier = Counting(), Tier("reads", 5, 3_600)
    limiter = Limiter(redis)
    assert (await limiter.take(tier, "someone")).left == 2
    redis.away = True
    decisions = [await limiter.take(tier, "someone") for _ in range(3)]
    assert [(d.allowed, d.left) for d in decisions] == [(True, 1), (True, 0), (False, 0)]
    assert (await limiter.take(tier, "somebody else")).left == 4


async def test_a_full_local_bucket_refuses_too() -> None:
    away = RedisLine(Redis.from_url("redis://127.0.0.1:1/0"), "gcra", SCRIPT, 1.0)
    away._away = True
    limiter, tier = Limiter(away), Tier("reads", 5, 60)
    decisions = [await limiter.take(tier, "someone") for _ in range(6)]
    assert [d.allowed for d in decisions] == [True] * 5 + [False]
    assert decisions[-1].retry_after_s == 12
    limiter.give_back(decisions[0], "someone")
    assert (await limiter.take(tier, "someone")).allowed


async def test_while_redis_is_away_each_of_several_gateways_admits_its_part() -> None:
    away = RedisLine(Redis.from_url("redis://127.0.0.1:1/0"), "gcra", SCRIPT, 1.0)
    away._away = True
    tier, admitted = Tier("reads", 100, 60), []
    for limiter in (Limiter(away, 4), Limiter(away, 4), Limiter(away, 4), Limiter(away, 4)):
        decisions = [await limiter.take(tier, "someone") for _ in range(60)]
        assert all(decision.reduced for decision in decisions)
        assert (decisions[0].tier.policy, decisions[0].left) == ('"reads";q=25;w=60', 24)
        given_back = limiter.give_back(decisions[0], "someone")
        assert given_back.left == 25
        assert (await limiter.take(tier, "someone")).allowed
        admitted += [decision for decision in decisions if decision.allowed]
    assert 100 <= len(admitted) <= 110  # what comes back meanwhile
    assert Tier("mails", 3, 60).shared_by(10).quota == 1
