"""Ending tasks for sure."""

import asyncio
from typing import Any, Final

AGAIN_S: Final = 0.5
"""How long a cancelled task has to end before it is cancelled once more."""


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
