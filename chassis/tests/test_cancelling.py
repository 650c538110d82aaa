import asyncio
import logging

import pytest

from chassis import cancelling


async def test_a_task_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost: list[asyncio.CancelledError] = []

    async def loses_the_first() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as cancelled:
                if lost:
                    raise
                lost.append(cancelled)

    tasks = [asyncio.create_task(loses_the_first()), asyncio.create_task(asyncio.Event().wait())]
    await asyncio.sleep(0)  # both have begun
    async with asyncio.timeout(60):
        await cancelling.end(*tasks)
    assert lost
    assert all(task.cancelled() for task in tasks)


async def test_tasks_that_have_ended_are_let_be() -> None:
    async def answer() -> int:
        return 42

    task = asyncio.create_task(answer())
    assert await task == 42
    await cancelling.end(task)
    await cancelling.end()
    assert task.result() == 42


async def test_that_a_part_of_a_process_has_failed_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ZeroDivisionError("by a clock that stood still")

    heard = asyncio.Event()
    with caplog.at_level(logging.CRITICAL):
        failed, goes_on = cancelling.begin(fails(), asyncio.Event().wait(), on_failure=heard.set)
        await asyncio.wait_for(heard.wait(), 60)
        await cancelling.end(failed, goes_on)
    (told,) = caplog.records
    assert "fails" in told.getMessage()
    assert told.exc_info is not None
    assert isinstance(told.exc_info[1], ZeroDivisionError)
