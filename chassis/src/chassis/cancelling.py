"""Beginning what goes on beside the requests, and ending tasks for sure."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

log = logging.getLogger(__name__)

EX_SOFTWARE: Final = 70
"""The exit status of a process of which a part has failed (sysexits.h): whoever runs it begins another."""
AGAIN_S: Final = 0.5
"""How long a cancelled task has to end before it is cancelled once more."""


def begin(*works: Coroutine[Any, Any, Any], on_failure: Callable[[], None]) -> list[asyncio.Task[Any]]:
    """Begin what goes on until it is cancelled. Nobody waits for it: that one failed is logged, and told by a call."""

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.critical("a part of this process has failed: %s", task.get_coro(), exc_info=failure)
            on_failure()

    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(ended)
    return tasks


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return when all have ended.

    A task may lose a cancellation that comes in the very moment in which what it waits for is there: until Python 3.12
    `asyncio.wait_for` gives the result then (CPython issue 86296), and libraries wait by it. Such a task would go on
    for ever, and with it the process that waits for its end; so each is cancelled until it has ended.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
