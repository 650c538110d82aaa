"""A keyed write happens once, whoever dies meanwhile, and its repetitions get its very reply."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from chassis import idempotency
from chassis.errors import RemoteError
from chassis.rpc.client import Reply
from chassis.service import RunningService, Service
from chassis.testing.acting import Actor, Rows
from chassis.testing.process import ServiceProcess
from chassis.testing.specimen import Specimen
from chassis.testing.waiting import until


async def test_twenty_concurrent_writes_with_one_key_over_two_replicas_have_one_effect_and_one_reply(
    service: Service[Any], specimen: Specimen, serve: Callable[..., Any], connect: Callable[..., Actor], rows: Rows
) -> None:
    replicas = [connect((await serve(service)).port) for _ in range(2)]
    for round_ in range(3):
        outcomes = await asyncio.gather(
            *(replicas[n % 2].full(specimen.create(round_), key=f"key-{round_}") for n in range(20)),
            return_exceptions=True,
        )
        replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, RemoteError)]
        assert len(replies) + len(refusals) == 20
        assert {refusal.reason for refusal in refusals} <= {"IDEMPOTENCY_IN_FLIGHT"}
        assert len({reply.message.SerializeToString() for reply in replies}) == 1
        assert [reply.replayed for reply in replies].count(False) == 1
    assert await rows.count() == 3


async def test_a_repetition_gets_the_first_reply_even_when_the_resource_has_changed_or_gone(
    act: Actor, specimen: Specimen, rows: Rows
) -> None:
    first = await act.full(specimen.create(1), key="made")
    made = specimen.resource(first.message)
    await act(specimen.change(made.id, 7))
    again = await act.full(specimen.create(1), key="made")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.message.SerializeToString() == first.message.SerializeToString()
    if specimen.remove is not None:
        await act(specimen.remove(made.id), key="removed")
        assert (await act.full(specimen.remove(made.id), key="removed")).replayed
        gone = await act.full(specimen.create(1), key="made")
        assert gone.message.SerializeToString() == first.message.SerializeToString()
        assert await rows.count() == 0


async def test_a_repeated_change_is_made_once(act: Actor, specimen: Specimen) -> None:
    made = await act.made()
    first = await act.full(specimen.change(made.id, 1), key="change")
    await act(specimen.change(made.id, 2))
    again = await act.full(specimen.change(made.id, 1), key="change")
    assert again.message == first.message
    assert specimen.resource(await act(specimen.read(made.id))).version == made.version + 2


async def test_a_key_with_another_payload_is_refused_and_has_no_effect(
    act: Actor, specimen: Specimen, rows: Rows
) -> None:
    await act(specimen.create(1), key="key")
    await refused(act, specimen, "IDEMPOTENCY_KEY_REUSED", grpc.StatusCode.FAILED_PRECONDITION, number=2)
    assert await rows.count() == 1


async def test_while_the_first_runs_its_repetition_is_in_flight_and_another_payload_is_refused_at_once(
    act: Actor, specimen: Specimen, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_MS", 50)
    async with await rows.hold_inserts():
        first = asyncio.create_task(act.full(specimen.create(1), key="key"))
        await until(rows.waiting)
        await refused(act, specimen, "IDEMPOTENCY_KEY_REUSED", grpc.StatusCode.FAILED_PRECONDITION, number=2)
        await refused(act, specimen, "IDEMPOTENCY_IN_FLIGHT", grpc.StatusCode.ABORTED)
        assert not first.done()
    assert not (await first).replayed
    assert (await act.full(specimen.create(1), key="key")).replayed


async def test_a_repetition_that_waits_gets_the_reply_as_soon_as_the_first_has_it(
    act: Actor, specimen: Specimen, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_MS", 20_000)
    async with await rows.hold_inserts():
        first = asyncio.create_task(act.full(specimen.create(1), key="key"))
        await until(rows.waiting)
        second = asyncio.create_task(act.full(specimen.create(1), key="key"))
        await until(rows.waiting_for_keys)
    assert not (await first).replayed
    assert (await second).message == (await first).message
    assert (await second).replayed


async def test_a_write_that_failed_leaves_its_key_free(act: Actor, specimen: Specimen, rows: Rows) -> None:
    with pytest.raises(RemoteError):
        await act(specimen.change("018f0000-0000-7000-8000-000000000000", 1), key="key")
    made = await act.made()
    assert not (await act.full(specimen.change(made.id, 1), key="key")).replayed


async def test_a_key_belongs_to_its_caller_and_to_its_method(act: Actor, specimen: Specimen, rows: Rows) -> None:
    mine = await act.made(key="key")
    other = await act.full(specimen.create(1), specimen.other, key="key")
    assert not other.replayed
    assert specimen.resource(other.message).id != mine.id
    assert await rows.count() == 2
    changed = await act.full(specimen.change(mine.id, 7), key="key")
    assert not changed.replayed
    assert specimen.resource(changed.message).version == mine.version + 1


async def test_an_expired_key_is_new_again(act: Actor, specimen: Specimen, service: Service[Any], rows: Rows) -> None:
    await act(specimen.create(1), key="key")
    keys = service.idempotency_keys
    await rows.ask(f"UPDATE {keys.schema}.{keys.name} SET expires_at = now() - interval '1 second'")  # noqa: S608 - names
    assert not (await act.full(specimen.create(2), key="key")).replayed
    assert (await act.full(specimen.create(2), key="key")).replayed
    assert await rows.count() == 2


async def test_a_malformed_fingerprint_is_an_invalid_field(act: Actor, specimen: Specimen, rows: Rows) -> None:
    method, request = specimen.create(1)
    rpc = act.client.channel.unary_unary(act.client.path(method), type(request).SerializeToString, bytes)
    for fingerprint in ("", "xyz", "ab" * 31, "AB" * 32):
        metadata = (*specimen.maker.to_metadata(), ("idempotency-key", "k"), ("idempotency-fingerprint", fingerprint))
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await rpc(request, metadata=metadata)
        assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await rows.count() == 0


async def test_a_transaction_killed_midway_leaves_nothing_and_its_retry_has_one_effect(
    running: RunningService[Any], act: Actor, specimen: Specimen, rows: Rows
) -> None:
    async with await rows.hold_inserts():
        first = asyncio.create_task(act(specimen.create(1), key="key"))
        await until(rows.waiting)
        (victim,) = await rows.waiting()
        await rows.ask("SELECT pg_terminate_backend(%s)", victim)
        with pytest.raises(RemoteError) as told:
            await first
        assert told.value.code is grpc.StatusCode.UNAVAILABLE
    assert not (await act.full(specimen.create(1), key="key")).replayed
    assert (await act.full(specimen.create(1), key="key")).replayed
    assert await rows.count() == 1


async def test_a_process_killed_midway_leaves_nothing_and_a_retry_elsewhere_has_one_effect(
    start_process: Callable[..., ServiceProcess],
    running: RunningService[Any],
    act: Actor,
    connect: Callable[..., Actor],
    specimen: Specimen,
    rows: Rows,
) -> None:
    process = start_process().serving()
    async with await rows.hold_inserts():
        first = asyncio.create_task(connect(process.port)(specimen.create(1), key="key"))
        await until(rows.waiting)
        process.send(signal.SIGKILL)
        with pytest.raises(RemoteError) as told:
            await first
        assert told.value.code is grpc.StatusCode.UNAVAILABLE
        assert process.ended() == -signal.SIGKILL

        # PostgreSQL finds out by itself that nobody is there any more, even while the statement waits.
        async def nobody_waits() -> bool:
            return not await rows.waiting()

        await until(nobody_waits, longest_s=10)
    assert not (await act.full(specimen.create(1), key="key")).replayed
    assert (await act.full(specimen.create(1), key="key")).replayed
    assert await rows.count() == 1


async def refused(act: Actor, specimen: Specimen, reason: str, code: grpc.StatusCode, number: int = 1) -> None:
    with pytest.raises(RemoteError) as told:
        await act(specimen.create(number), key="key")
    assert (told.value.code, told.value.reason) == (code, reason)
