"""Waiting for a condition, where others would sleep and hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

Found = TypeVar("Found")

LONGEST_S: Final = 30.0
_PAUSE_S: Final = 0.02


async def until(condition: Callable[[], object | Awaitable[object]], longest_s: float = LONGEST_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: it does not within `longest_s` seconds.
    """
    deadline = time.monotonic() + longest_s
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not come about in {longest_s} s")
        await asyncio.sleep(_PAUSE_S)


def wait_for(
    condition: Callable[[], Found], longest_s: float = LONGEST_S, *, every_s: float = _PAUSE_S, what: str = "it"
) -> Found:
    """Give what the condition gives, once that is true; this thread waits, for what other threads or processes do.

    Raises:
        TimeoutError: it is not within `longest_s` seconds; `what` is named.
    """
    deadline = time.monotonic() + longest_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come about in {longest_s} s")
        time.sleep(every_s)
    return found
