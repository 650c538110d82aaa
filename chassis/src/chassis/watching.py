"""Following what changes in the database, for RPCs that last: one look a second for all that is watched.

A process asks the database once for everything that its callers watch, not once for each of them, and not at all while
nobody watches. LISTEN would tell sooner, but needs a session of its own, which a pooler in transaction mode does not
give, and every commit that notifies waits for a lock that all of them share (ADR 22).
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Generic, TypeVar

from google.protobuf.descriptor import ServiceDescriptor

from chassis.errors import DomainError

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
F = TypeVar("F", bound=Callable[..., Any])

INTERVAL_S: Final = 1.0
"""The longest that a change made elsewhere waits for the look that finds it."""
_PAUSE_S: Final = 0.05
"""The shortest time between two looks: of many writes of this process, those of this time are found by one."""
_ATTRIBUTE: Final = "__lasts__"


class Goes(Exception):
    """This process ends; what lasted here ends with it, without an error, and goes on elsewhere."""


def lasting(method: F) -> F:
    """Declare that an RPC goes on for as long as its caller listens; for who measures it is over once it has begun."""
    setattr(method, _ATTRIBUTE, True)
    return method


def lasting_of(servicer: object, descriptor: ServiceDescriptor) -> frozenset[str]:
    """Give the RPCs of `descriptor` that are declared so, by full method name (`/package.Service/Method`)."""
    names = (method.name for method in descriptor.methods)
    return frozenset(
        f"/{descriptor.full_name}/{name}" for name in names if hasattr(getattr(servicer, name, None), _ATTRIBUTE)
    )


class Watching(Generic[K, V]):
    """Things of one kind that callers watch, by their keys.

    `look` gives the state of each that is asked for: anything that is equal for as long as nothing has changed.
    """

    def __init__(self, look: Callable[[Collection[K]], Awaitable[Mapping[K, V]]], due: asyncio.Event) -> None:
        self._look = look
        self._due = due
        self._watchers = Counter[K]()
        self._states: dict[K, V] = {}
        self._looked = asyncio.Event()
        self._begun = self._done = 0
        """Looks."""
        self._fault: DomainError | None = None
        """Of the last one."""
        self._ended = False

    @asynccontextmanager
    async def of(self, key: K) -> AsyncIterator[None]:
        """Watch a thing meanwhile."""
        self._watchers[key] += 1
        try:
            yield
        finally:
            self._watchers[key] -= 1
            if not self._watchers[key]:
                del self._watchers[key]
                self._states.pop(key, None)

    async def state(self, key: K) -> V:
        """Give the state of a watched thing by a look that begins from here on.

        Raises:
            DomainError: the database does not answer.
            Goes: this process ends.
        """
        wanted = self._begun + 1
        self._due.set()
        while not self._ended:
            if self._done >= wanted:
                if self._fault is not None:
                    raise self._fault
                return self._states[key]
            await self._looked.wait()
        raise Goes

    async def other_than(self, known: V | None, key: K) -> V:
        """Give the state of a watched thing as soon as it is another than the one that is known.

        Raises:
            Goes: this process ends.
        """
        while not self._ended:
            if key in self._states and (state := self._states[key]) != known:
                return state
            await self._looked.wait()
        raise Goes

    def touch(self, key: K) -> None:
        """Have a look soon, if the thing is watched: this process has changed it."""
        if key in self._watchers:
            self._due.set()

    async def look(self) -> None:
        """Look once, at all that is watched, and wake who waits for another state.

        Raises:
            DomainError: the database did not answer.
        """
        if not self._watchers:
            return
        self._begun = begun = self._begun + 1
        try:
            found = await self._look(list(self._watchers))
            self._states |= {key: state for key, state in found.items() if key in self._watchers}
            self._fault = None
        except DomainError as fault:
            self._fault = fault
            raise
        finally:
            self._done = begun
            self._wake()

    def end(self) -> None:
        """Let nobody wait any more."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()


class Watches:
    """Everything that is watched in a process."""

    def __init__(self) -> None:
        self._all: list[Watching[Any, Any]] = []
        self._due = asyncio.Event()

    def over(self, look: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> Watching[K, V]:
        """Watch another kind of thing; `look` as of `Watching`."""
        made = Watching(look, self._due)
        self._all.append(made)
        return made

    async def follow(self) -> None:
        """Look once a second, and sooner after writes of this process, until cancelled."""
        while True:
            for watching in self._all:
                try:
                    await watching.look()
                except DomainError as away:  # which the health of the process tells of
                    log.debug("nobody knows what has changed: %s", away.message)
                except Exception:
                    # A watch that died would leave all who wait waiting for ever.
                    log.exception("looking for what has changed went wrong")
            await asyncio.sleep(_PAUSE_S)
            try:
                async with asyncio.timeout(INTERVAL_S - _PAUSE_S):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()

    def end(self) -> None:
        """Let nobody wait any more: the process goes."""
        for watching in self._all:
            watching.end()
