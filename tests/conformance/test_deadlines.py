"""A caller's deadline holds all the way down, and leaves nothing behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from prometheus_client import REGISTRY

from chassis.errors import RemoteError
from chassis.service import RunningService, Service
from chassis.testing.acting import Actor, Rows
from chassis.testing.specimen import Specimen
from chassis.testing.waiting import until


def idle(running: RunningService[Any]) -> bool:
    stats = running.database._pool.get_stats()
    return stats["pool_available"] == stats["pool_size"]


async def test_a_write_held_by_a_row_lock_ends_at_the_callers_deadline_and_is_undone(
    running: RunningService[Any], act: Actor, specimen: Specimen, rows: Rows
) -> None:
    made = await act.made()
    labels = {"method": act.client.path(specimen.change("", 1)[0]), "code": "DEADLINE_EXCEEDED"}
    before = REGISTRY.get_sample_value("rpc_server_duration_seconds_count", labels) or 0.0
    async with await rows.connect() as holder:
        await holder.execute(rows.sql("SELECT FROM {table} WHERE id = %s FOR UPDATE"), [made.id])
        with pytest.raises(RemoteError) as told:
            await act(specimen.change(made.id, 7), timeout_s=0.3)
        assert told.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
        # The statement is cancelled in the server too: nobody waits for the row any more while it is still held.

        async def nobody_waits() -> bool:
            return not await rows.waiting()

        await until(nobody_waits)
        await until(lambda: idle(running))
        await until(
            lambda: REGISTRY.get_sample_value("rpc_server_duration_seconds_count", labels) == before + 1, longest_s=5
        )
    assert specimen.resource(await act(specimen.read(made.id))) == made
    assert specimen.resource(await act(specimen.change(made.id, 7))).version == made.version + 1


async def test_a_lock_that_is_not_had_in_time_is_unavailable_long_before_a_late_deadline(
    service: Service[Any], serve: Callable[..., Any], connect: Callable[..., Actor], specimen: Specimen, rows: Rows
) -> None:
    running = await serve(service, database_lock_timeout_ms=50)
    act = connect(running.port)
    made = await act.made()
    async with await rows.connect() as holder:
        await holder.execute(rows.sql("SELECT FROM {table} WHERE id = %s FOR UPDATE"), [made.id])
        with pytest.raises(RemoteError) as told:
            await act(specimen.change(made.id, 7))
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE")
    assert idle(running)


async def test_a_statement_that_runs_too_long_is_ended_by_the_database(
    service: Service[Any], serve: Callable[..., Any], connect: Callable[..., Actor], specimen: Specimen, rows: Rows
) -> None:
    running = await serve(service, database_statement_timeout_ms=50)
    act = connect(running.port)
    made = await act.made()
    async with await rows.connect() as holder:
        await holder.execute(rows.sql("SELECT FROM {table} WHERE id = %s FOR UPDATE"), [made.id])
        with pytest.raises(RemoteError) as told:
            await act(specimen.change(made.id, 7))
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert idle(running)


async def test_calls_that_are_given_up_all_at_once_leave_every_connection_in_the_pool(
    running: RunningService[Any], act: Actor, specimen: Specimen, rows: Rows
) -> None:
    made = await act.made()
    async with await rows.connect() as holder:
        await holder.execute(rows.sql("SELECT FROM {table} WHERE id = %s FOR UPDATE"), [made.id])
        calls = [asyncio.create_task(act(specimen.change(made.id, n))) for n in range(20)]
        await until(rows.waiting)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await until(lambda: idle(running))
    await asyncio.gather(*(act(specimen.read(made.id)) for _ in range(20)))
    assert specimen.resource(await act(specimen.read(made.id))) == made
