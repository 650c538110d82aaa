"""What is watched is looked at together, as often as needed and no more."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping

import pytest
import pytest_asyncio

from chassis import cancelling, watching
from chassis.errors import Unavailable
from chassis.testing.waiting import until
from chassis.watching import Goes, Watches, Watching

LONG_S = 60.0


class Stored:
    """What is looked at: each look is noted, and fails while `away`."""

    def __init__(self) -> None:
        self.states: dict[str, int] = {"a": 1, "b": 1}
        self.looks: list[list[str]] = []
        self.away = False

    async def look(self, keys: Collection[str]) -> Mapping[str, int]:
        self.looks.append(sorted(keys))
        if self.away:
            raise Unavailable("the database is away")
        return {key: self.states[key] for key in keys}


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def watches() -> Watches:
    return Watches()


@pytest.fixture
def watched(watches: Watches, stored: Stored) -> Watching[str, int]:
    return watches.over(stored.look)


@pytest_asyncio.fixture
async def following(
    watches: Watches, watched: Watching[str, int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Looks are made; none by the clock alone, so that a test knows why there was one."""
    monkeypatch.setattr(watching, "INTERVAL_S", 100_000.0)
    task = asyncio.create_task(watches.follow())
    yield
    await cancelling.end(task)


async def test_nobody_looks_while_nothing_is_watched(watched: Watching[str, int], stored: Stored) -> None:
    await watched.look()
    async with watched.of("a"):
        await watched.look()
    await watched.look()
    assert stored.looks == [["a"]]


async def test_one_look_serves_all_watchers_of_all_things(watched: Watching[str, int], stored: Stored) -> None:
    async with watched.of("a"), watched.of("a"), watched.of("b"):
        waiting = [asyncio.create_task(watched.other_than(1, key)) for key in ("a", "a", "b")]
        await watched.look()
        stored.states = {"a": 2, "b": 2}
        await watched.look()
        assert await asyncio.gather(*waiting) == [2, 2, 2]
    assert stored.looks == [["a", "b"], ["a", "b"]]


async def test_who_watches_waits_for_another_state_than_they_know(watched: Watching[str, int], stored: Stored) -> None:
    async with watched.of("a"):
        waiting = asyncio.create_task(watched.other_than(1, "a"))
        await watched.look()
        await watched.look()
        assert not waiting.done()
        stored.states["a"] = 3
        await watched.look()
        assert await waiting == 3
        assert await watched.other_than(1, "a") == 3


async def test_a_write_of_the_own_process_is_found_at_once_if_somebody_watches(
    watched: Watching[str, int], stored: Stored, following: None
) -> None:
    async with watched.of("a"):
        waiting = asyncio.create_task(watched.other_than(1, "a"))
        await watched.state("a")
        stored.states["a"] = 2
        watched.touch("b")
        watched.touch("a")
        async with asyncio.timeout(LONG_S):
            assert await waiting == 2


async def test_changes_made_elsewhere_are_found_by_the_clock(
    watches: Watches, watched: Watching[str, int], stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "INTERVAL_S", 0.06)
    async with watched.of("a"):
        task = asyncio.create_task(watches.follow())
        await until(lambda: len(stored.looks) > 1, LONG_S)
        stored.states["a"] = 2
        async with asyncio.timeout(LONG_S):
            assert await watched.other_than(1, "a") == 2
        await cancelling.end(task)


async def test_a_state_that_is_asked_for_is_never_one_of_before(
    watched: Watching[str, int], stored: Stored, following: None
) -> None:
    async with watched.of("a"):
        assert await watched.state("a") == 1
        stored.states["a"] = 2
        assert await watched.state("a") == 2


async def test_while_the_database_is_away_who_begins_is_told_and_who_waits_waits_on(
    watched: Watching[str, int], stored: Stored, following: None
) -> None:
    async with watched.of("a"):
        assert await watched.state("a") == 1
        waiting = asyncio.create_task(watched.other_than(1, "a"))
        stored.away = True
        with pytest.raises(Unavailable, match="the database is away"):
            await watched.state("a")
        stored.away, stored.states["a"] = False, 2
        assert await watched.state("a") == 2
        assert await waiting == 2


async def test_who_waits_is_told_that_the_process_goes(watches: Watches, watched: Watching[str, int]) -> None:
    async with watched.of("a"):
        waiting = asyncio.create_task(watched.other_than(1, "a"))
        await watched.look()
        watches.end()
        with pytest.raises(Goes):
            await waiting
        for late in (watched.other_than(None, "a"), watched.state("a")):
            with pytest.raises(Goes):
                await late


async def test_what_nobody_watches_any_more_is_forgotten(watched: Watching[str, int]) -> None:
    async with watched.of("a"):
        async with watched.of("a"):
            await watched.look()
        assert await watched.other_than(None, "a") == 1
    assert not watched._states
    assert not watched._watchers
