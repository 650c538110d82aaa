"""The shared cache by itself, on a clock that the tests turn."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from grpc import StatusCode
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis as Client

from chassis.embedded.redis import Redis
from chassis.errors import RemoteError
from chassis.testing.waiting import until
from gateway.cache import Asked, SharedCache
from gateway.cachecontrol import NONE, Directives, Lifetime, directives
from gateway.lastgood import LastGood
from gateway.representation import Answer

MOST_BYTES = 256 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 1_764_160_000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """Answers with what it has, once it may."""

    def __init__(self) -> None:
        self.body = b"{}"
        self.asked: list[str | None] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None

    async def __call__(self, tag: str | None) -> Answer:
        self.asked.append(tag)
        body = self.body
        await self.open.wait()
        if self.fault is not None:
            raise self.fault
        return Answer(body, tag=body.decode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def start(redis_server: Redis, clock: Clock) -> AsyncIterator[Callable[[], SharedCache]]:
    caches: list[SharedCache] = []
    async with Client.from_url(redis_server.url) as client:
        await client.flushdb()

        def begin() -> SharedCache:
            caches.append(SharedCache(LastGood(client), MOST_BYTES, clock))
            return caches[-1]

        yield begin
        for cache in caches:
            await cache.close()


def asked(
    resource: str = "/a",
    *,
    group: str = "g",
    lifetime: Lifetime = Lifetime(60),  # noqa: B008 - it is frozen
    asks: Directives = NONE,
    query: str = "",
) -> Asked:
    return Asked(resource, query, group, lifetime, asks, passes_by=False, patience_s=60.0)


async def test_an_answer_of_before_a_write_is_not_fresh_after_it_though_it_comes_later(
    start: Callable[[], SharedCache],
) -> None:
    cache, service = start(), Service()
    service.open.clear()
    early = asyncio.create_task(cache.give(asked(), service))
    await until(lambda: service.asked)
    service.body = b"[1]"
    cache.invalidate("g", "/a/1", removed=False)
    late = asyncio.create_task(cache.give(asked(), service))
    await until(lambda: len(service.asked) == 2)
    service.open.set()
    assert ((await early).answer.body, (await late).answer.body) == (b"{}", b"[1]")
    assert (await cache.give(asked(), service)).answer.body == b"[1]"
    assert len(service.asked) == 2


async def test_an_older_answer_never_takes_the_place_of_a_newer_one(
    start: Callable[[], SharedCache], clock: Clock
) -> None:
    cache, slow, quick = start(), Service(), Service()
    slow.open.clear()
    early = asyncio.create_task(cache.give(asked(), slow))
    await until(lambda: slow.asked)
    clock.now += 1
    quick.body = b"[2]"
    await cache.give(asked(asks=Directives(no_cache=True)), quick)
    slow.open.set()
    assert (await early).answer.body == b"{}"
    assert (await cache.give(asked(), quick)).answer.body == b"[2]"
    assert len(quick.asked) == 1


async def test_who_leaves_while_many_wait_takes_nothing_from_the_others(start: Callable[[], SharedCache]) -> None:
    cache, service = start(), Service()
    service.open.clear()
    waiting = [asyncio.create_task(cache.give(asked(), service)) for _ in range(5)]
    await until(lambda: service.asked)
    waiting[0].cancel()
    service.open.set()
    assert [given.answer.body for given in await asyncio.gather(*waiting[1:])] == [b"{}"] * 4
    assert len(service.asked) == 1


async def test_a_group_is_asked_for_again_after_a_write_and_others_are_not(start: Callable[[], SharedCache]) -> None:
    cache, service = start(), Service()
    for one in (asked("/a"), asked("/a", query="x"), asked("/b"), asked("/c", group="other")):
        await cache.give(one, service)
    cache.invalidate("g", "/a", removed=False)
    assert len(service.asked) == 4
    await cache.give(asked("/c", group="other"), service)
    assert len(service.asked) == 4
    for one in (asked("/a"), asked("/a", query="x"), asked("/b")):
        await cache.give(one, service)
    assert service.asked[4:] == ["{}"] * 3  # the tag that is known


async def test_memory_is_bounded_and_the_longest_unused_makes_room(start: Callable[[], SharedCache]) -> None:
    cache, service = start(), Service()
    service.body = b"x" * 10_000
    for number in range(1_000):
        await cache.give(asked(f"/{number}"), service)
        await cache.give(asked("/0"), service)
    assert len(service.asked) == 1_000, "what is used stays"
    kept = cache._entries
    assert kept._bytes == sum(entry.bytes for entry in kept._entries.values()) <= MOST_BYTES
    assert len(kept._entries) == MOST_BYTES // next(iter(kept._entries.values())).bytes
    service.body = b"x" * (MOST_BYTES // 8)
    for _ in range(2):
        await cache.give(asked("/large"), service)
    assert len(service.asked) == 1_002, "what is too large is not kept"
    assert kept._bytes <= MOST_BYTES


async def test_what_is_small_is_bounded_by_number(start: Callable[[], SharedCache]) -> None:
    cache, service = start(), Service()
    for number in range(2_000):
        await cache.give(asked("/a", query=str(number)), service)
    assert len(cache._entries._entries) <= MOST_BYTES // 1_024


LASTING = Lifetime(60, 60, 604_800)
AWAY = RemoteError(StatusCode.UNAVAILABLE, "UNAVAILABLE", "restarting")


async def test_a_renewal_that_fails_behind_the_readers_is_tried_again_and_then_they_wait(
    start: Callable[[], SharedCache], clock: Clock
) -> None:
    cache, service = start(), Service()
    await cache.give(asked(lifetime=LASTING), service)
    service.fault = AWAY
    clock.now += 90
    for number in range(2, 5):
        given = await cache.give(asked(lifetime=LASTING), service)
        assert dict(given.headers)[b"age"] == b"90"
        await until(lambda number=number: len(service.asked) == number and not cache._tasks)  # type: ignore[misc] # binds the round
    clock.now += 60
    late = dict((await cache.give(asked(lifetime=LASTING), service)).headers)
    assert late[b"cache-status"] == b"neoforge; fwd=stale; fwd-status=503; detail=stale-if-error"


async def test_another_gateway_gives_the_last_good_answer_but_none_that_was_removed(
    start: Callable[[], SharedCache], clock: Clock
) -> None:
    one, service, broken = start(), Service(), Service()
    broken.fault = AWAY
    for resource in ("/a", "/b"):
        await one.give(asked(resource, lifetime=LASTING), service)
    await one.give(asked("/a", lifetime=LASTING, query="q"), service)

    async def given_on(resource: str, query: str = "") -> bool:
        try:
            given = await start().give(asked(resource, lifetime=LASTING, query=query), broken)
        except RemoteError:
            return False
        return given.answer.body == b"{}"

    clock.now += 3_600
    await until(lambda: given_on("/a"))
    await until(lambda: given_on("/b"))
    assert not await given_on("/a", "q"), "as many as there are resources"
    one.invalidate("g", "/a", removed=True)

    async def forgotten() -> bool:
        return not await given_on("/a")

    await until(forgotten)
    assert await given_on("/b")
    with pytest.raises(RemoteError):
        await one.give(asked("/a", lifetime=LASTING), broken)


def read(*fields: tuple[str, str]) -> Directives:
    return directives([(name.encode(), value.encode("latin-1")) for name, value in fields])


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_text_is_read_as_directives(value: str) -> None:
    found = read(("cache-control", value))
    assert found.min_fresh_s >= 0
    assert found.max_age_s is None or found.max_age_s >= 0


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", NONE),
        ("No-Cache", Directives(no_cache=True)),
        ('max-age="5" , ,only-if-cached', Directives(max_age_s=5, only_if_cached=True)),
        ("max-age=3, max-age=9", Directives(max_age_s=3)),
        ("max-age", Directives(max_age_s=0)),
        ("max-age=-1", Directives(max_age_s=0)),
        ("max-age=99999999999999999999999", Directives(max_age_s=2**31)),
        ("min-fresh=x", Directives(min_fresh_s=2**31)),
        ('private="no-cache, no-store"', NONE),
        ("x-no-cache, no-cached", NONE),
        ("no-store,min-fresh=7", Directives(no_store=True, min_fresh_s=7)),
    ],
)
def test_directives_are_read_as_they_are_meant_and_else_at_their_strictest(value: str, expected: Directives) -> None:
    assert read(("cache-control", value)) == expected


def test_pragma_counts_only_where_there_is_no_cache_control() -> None:
    assert read(("pragma", "No-Cache")) == Directives(no_cache=True)
    assert read(("pragma", "no-cache"), ("cache-control", "max-age=5")) == Directives(max_age_s=5)
    assert read(("cache-control", "max-age=5"), ("cache-control", "no-store")) == Directives(max_age_s=5, no_store=True)
