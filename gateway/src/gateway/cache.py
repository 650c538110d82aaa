"""The shared cache (RFC 9111): what nobody in particular gets, kept in this process for a short declared while.

A fresh answer is given without asking its service. A stale one is given while a new one is fetched, and while there is
none to be had, for as long as its route declares (RFC 5861). Many who want the same at once ask once. A write through
this gateway makes everything of its group ask again (section 4.4; groups as in RFC 9875), so that whoever wrote sees
what they wrote. Times are those of asking, so that an answer is never taken for newer than it is.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from pydantic_core import from_json, to_json

from chassis import cancelling
from chassis.errors import RemoteError
from chassis.metrics import begin
from gateway import metrics, problems
from gateway.cachecontrol import Directives, Lifetime
from gateway.cacheentries import Entries, Entry
from gateway.lastgood import Good, LastGood
from gateway.problem_types import TYPES
from gateway.problems import Problem
from gateway.representation import PRIVATE, Answer, Headers, tag_of

RESULTS: Final = ("hit", "stale", "last good", "miss", "unchanged", "shared", "bypass", "refused")
begin(metrics.cache_requests, RESULTS)

PAST_THE_CACHE: Final[Headers] = [*PRIVATE, (b"cache-status", b"neoforge; fwd=bypass")]
"""What somebody in particular gets where others might be answered by the cache."""

Fetch = Callable[[str | None], Awaitable[Answer]]
"""Asks the service, unless what it would answer has the given tag."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the cache."""

    resource: str
    """Its path."""
    query: str
    """What narrows it, in one form for all ways to write it."""
    group: str
    """The resources that a write to one of them may change too."""
    lifetime: Lifetime
    directives: Directives
    passes_by: bool
    """Whether the request has something that only the service may look at."""
    patience_s: float
    """How long the client waits."""

    @property
    def key(self) -> str:
        """What tells it from everything else."""
        return f"{self.resource}?{self.query}" if self.query else self.resource

    @property
    def outlives(self) -> bool:
        """Whether the last good answer is kept outside this process too."""
        return bool(self.lifetime.on_error_s) and not self.query


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and what its headers say of where it comes from."""

    answer: Answer
    headers: Headers


@dataclass(frozen=True, slots=True)
class _Fetching:
    writes: int
    task: "asyncio.Task[tuple[Answer, str]]"


class SharedCache:
    """Keeps answers by path and query; `clock` gives the seconds since the epoch."""

    def __init__(self, last_good: LastGood, most_bytes: int, clock: Callable[[], float] = time.time) -> None:
        self._last_good = last_good
        self._entries = Entries(most_bytes)
        self._clock = clock
        self._writes: Counter[str] = Counter()
        self._fetching: dict[str, _Fetching] = {}
        self._tasks: set[asyncio.Task[tuple[Answer, str]]] = set()

    async def give(self, asked: Asked, fetch: Fetch) -> Given:
        """Give an answer that is fresh, or may be stale, or is new.

        Raises:
            Problem: NOT_CACHED, when the client wants nothing that is not here; whatever `fetch` raises.
            RemoteError: what the service, or the way to it, said, and no stale answer will do.
        """
        entry = self._entries.get(asked.key)
        valid = entry is not None and entry.writes == self._writes[asked.group]
        if entry is not None and valid and not asked.passes_by:
            given = self._from_memory(asked, entry, fetch)
            if given is not None:
                return given
        if asked.directives.only_if_cached:
            metrics.cache_requests.labels("refused").inc()
            raise Problem("NOT_CACHED", TYPES["NOT_CACHED"].advice, headers=[_status("detail=only-if-cached")])
        why = _why(asked, entry, usable=valid and self._left_s(asked, entry) > 0)
        try:
            async with asyncio.timeout(asked.patience_s):
                answer, how, result = await self._new(asked, fetch)
        except TimeoutError:
            stale = await self._stale(asked, why, "504")
            if stale is None:
                raise Problem("DEADLINE_EXCEEDED", TYPES["DEADLINE_EXCEEDED"].advice) from None
            return stale
        except RemoteError as fault:
            stale = await self._stale(asked, why, "503") if problems.is_outage(fault) else None
            if stale is None:
                raise
            return stale
        metrics.cache_requests.labels(result).inc()
        return Given(answer, [(b"cache-control", asked.lifetime.field), _status(f"fwd={why}{how}")])

    def invalidate(self, group: str, resource: str, *, removed: bool) -> None:
        """Have everything of a group asked for again after a write to `resource`.

        What was `removed` is forgotten: not even an outage brings it back.
        """
        self._writes[group] += 1
        if removed:
            self._entries.remove(resource)
            self._last_good.forget(resource)

    def clear(self) -> None:
        """Forget everything that is in memory."""
        self._entries.clear()
        self._writes.update(dict.fromkeys(self._writes, 1))

    async def close(self) -> None:
        """End what is being fetched for nobody any more."""
        await cancelling.end(*self._tasks)

    def _left_s(self, asked: Asked, entry: Entry | None) -> float:
        return 0.0 if entry is None else asked.lifetime.fresh_s - (self._clock() - entry.asked_at)

    def _from_memory(self, asked: Asked, entry: Entry, fetch: Fetch) -> Given | None:
        """Give what is in memory, if it is fresh enough, or stale and being fetched anew; None else."""
        left_s = self._left_s(asked, entry)
        age_s = max(0, int(asked.lifetime.fresh_s - left_s))
        if left_s <= -asked.lifetime.while_revalidating_s or not asked.directives.accepts(age_s, left_s):
            return None
        if left_s > 0:
            metrics.cache_requests.labels("hit").inc()
            status = f"hit; ttl={int(left_s)}"
        else:
            metrics.cache_requests.labels("stale").inc()
            self._fetch(asked, fetch)
            status = f"hit; ttl={-int(-left_s) or -1}; detail=stale-while-revalidate"
        said = (b"cache-control", asked.lifetime.field), (b"age", b"%d" % age_s), _status(status)
        return Given(entry.answer, list(said))

    async def _new(self, asked: Asked, fetch: Fetch) -> tuple[Answer, str, str]:
        """Give an answer of the service, what Cache-Status says of it, and what the metric does."""
        if asked.passes_by or asked.directives.no_store:
            return await fetch(None), "", "bypass"
        running = self._fetching.get(asked.key)
        joins = running is not None and running.writes == self._writes[asked.group] and not asked.directives.no_cache
        task = running.task if running is not None and joins else self._fetch(asked, fetch, anew=True)
        answer, how = await asyncio.shield(task)
        if joins:
            return answer, how + "; collapsed", "shared"
        return answer, how, "unchanged" if "304" in how else "miss"

    def _fetch(self, asked: Asked, fetch: Fetch, *, anew: bool = False) -> "asyncio.Task[tuple[Answer, str]]":
        """Begin to fetch an answer, unless that is under way and need not be begun `anew`."""
        running = self._fetching.get(asked.key)
        if running is not None and not anew:
            return running.task
        writes = self._writes[asked.group]
        task = asyncio.get_running_loop().create_task(self._fetch_and_keep(asked, fetch, writes))
        fetching = self._fetching[asked.key] = _Fetching(writes, task)
        self._tasks.add(task)

        def ended(task: "asyncio.Task[tuple[Answer, str]]") -> None:
            self._tasks.discard(task)
            if self._fetching.get(asked.key) is fetching:
                del self._fetching[asked.key]
            if not task.cancelled():
                task.exception()  # who waits is told; nobody may wait any more

        task.add_done_callback(ended)
        return task

    async def _fetch_and_keep(self, asked: Asked, fetch: Fetch, writes: int) -> tuple[Answer, str]:
        known, asked_at = self._entries.get(asked.key), self._clock()
        try:
            answer = await fetch(None if known is None else known.answer.tag)
        except (Problem, RemoteError) as fault:
            if isinstance(fault, Problem) or not problems.is_outage(fault):
                self._entries.remove(asked.key)
                if asked.outlives:
                    self._last_good.forget(asked.resource)
            raise
        unchanged = known is not None and answer.unchanged
        if known is not None and unchanged:
            answer = known.answer
        stored = self._entries.put(asked.key, Entry(answer, asked_at, writes))
        if asked.outlives:
            self._last_good.keep(asked.resource, Good(answer, asked_at))
        status = f"; fwd-status={304 if unchanged else 200}"
        return answer, f"{status}; stored; ttl={asked.lifetime.fresh_s}" if stored else status

    async def _stale(self, asked: Asked, why: str, status: str) -> Given | None:
        """Give the last good answer in place of an outage (RFC 5861, section 4), or None."""
        if not asked.lifetime.on_error_s:
            return None
        entry = self._entries.get(asked.key)
        found = [] if entry is None else [Good(entry.answer, entry.asked_at)]
        if asked.outlives and (elsewhere := await self._last_good.find(asked.resource)) is not None:
            found.append(elsewhere)
        newest = max(found, key=lambda good: good.at, default=None)
        if newest is None or self._clock() - newest.at > asked.lifetime.fresh_s + asked.lifetime.on_error_s:
            return None
        metrics.cache_requests.labels("last good").inc()
        said = [
            (b"cache-control", b"public, no-cache"),
            (b"age", b"%d" % max(0, int(self._clock() - newest.at))),
            (b"warning", b'110 - "Response is Stale"'),  # RFC 7234, section 5.5.1: gone from RFC 9111, and understood
            _status(f"fwd={why}; fwd-status={status}; detail=stale-if-error"),
        ]
        return Given(_marked(newest), said)


def _why(asked: Asked, entry: Entry | None, *, usable: bool) -> str:
    """Say why the service is asked (RFC 9211, section 2.2)."""
    if asked.passes_by:
        return "bypass"
    if entry is None:
        return "uri-miss"
    return "request" if usable else "stale"


def _status(said: str) -> tuple[bytes, bytes]:
    """Give Cache-Status (RFC 9211)."""
    return b"cache-status", b"neoforge; " + said.encode()


def _marked(good: Good) -> Answer:
    """Say in an answer's body how old it is, where that has the members for it."""
    if b'"stale":false' in good.answer.body:
        value = from_json(good.answer.body)
        if isinstance(value, dict) and value.get("stale") is False:
            value |= {"stale": True, "as_of": datetime.fromtimestamp(good.at, UTC).isoformat().replace("+00:00", "Z")}
            body = to_json(value)
            return replace(good.answer, body=body, tag=tag_of(body))
    return good.answer
