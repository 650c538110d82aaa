"""Failures go out under their own names, and what has no name says nothing of itself."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
from prometheus_client import REGISTRY

from chassis.access import SIGNED_IN, allow
from chassis.errors import (
    DomainError,
    Forbidden,
    IdempotencyInFlight,
    IdempotencyKeyReused,
    InvalidCursor,
    InvalidFields,
    LimitReached,
    NotFound,
    RemoteError,
    Unavailable,
    VersionMismatch,
    Violation,
)
from chassis.house import House
from chassis.logs import JsonFormatter
from chassis.service import Service, Servicer
from chassis.testing.acting import Actor
from chassis.testing.specimen import Specimen
from chassis.testing.waiting import until

Behavior = Callable[[Any, Any], Awaitable[Any]]


@pytest.fixture
async def failing(
    service: Service[Any], specimen: Specimen, serve: Callable[..., Any], connect: Callable[..., Actor]
) -> Callable[[Behavior], Awaitable[Actor]]:
    """Gives an actor on a server whose reading method does something else."""
    method, _ = specimen.read("")

    async def with_behavior(behavior: Behavior) -> Actor:
        def build(house: House[Any]) -> list[Servicer]:
            built = list(service.build(house))
            for servicer in built:
                if hasattr(servicer.implementation, method):
                    setattr(servicer.implementation, method, allow(SIGNED_IN)(behavior))
            return built

        running = await serve(replace(service, build=build))
        return connect(running.port)

    return with_behavior


def counted(actor: Actor, specimen: Specimen, code: grpc.StatusCode) -> float:
    labels = {"method": actor.client.path(specimen.read("")[0]), "code": code.name}
    return REGISTRY.get_sample_value("rpc_server_duration_seconds_count", labels) or 0.0


async def until_counted(actor: Actor, specimen: Specimen, code: grpc.StatusCode, times: float) -> None:
    """A call is counted when it has ended, which its caller may know a moment earlier."""
    await until(lambda: counted(actor, specimen, code) >= times)
    assert counted(actor, specimen, code) == times


async def test_an_unexpected_exception_is_masked_and_told_to_the_log_alone(
    failing: Callable[..., Any], specimen: Specimen, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(request: Any, context: Any) -> None:
        raise RuntimeError("the password is hunter2")

    actor = await failing(broken)
    before = counted(actor, specimen, grpc.StatusCode.INTERNAL)
    formatter = JsonFormatter("test")
    lines: list[dict[str, Any]] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(json.loads(formatter.format(record)))  # type: ignore[method-assign] # that is how it is listened to
    logging.getLogger("chassis.rpc.server").addHandler(handler)
    try:
        with pytest.raises(RemoteError) as told:
            await actor(specimen.read(str(uuid4())), request_id="the-request")
    finally:
        logging.getLogger("chassis.rpc.server").removeHandler(handler)
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "hunter2" not in repr(told.value)
    await until_counted(actor, specimen, grpc.StatusCode.INTERNAL, before + 1)
    (traced,) = [line for line in lines if "exception" in line]
    assert "hunter2" in traced["exception"]
    assert traced["request_id"] == "the-request"


BUGS = [
    psycopg.errors.UniqueViolation("duplicate key value violates unique constraint: hunter2"),
    psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes: hunter2"),
    psycopg.errors.UndefinedTable("relation hunter2 does not exist"),
    KeyError("hunter2"),
    UnicodeDecodeError("utf-8", b"hunter2", 0, 1, "hunter2"),
]


async def test_what_the_database_or_python_says_of_a_bug_does_not_get_out(
    failing: Callable[..., Any], specimen: Specimen
) -> None:
    bugs = iter(BUGS)

    async def broken(request: Any, context: Any) -> None:
        raise next(bugs)

    actor = await failing(broken)
    for _ in BUGS:
        with pytest.raises(RemoteError) as told:
            await actor(specimen.read(str(uuid4())))
        assert told.value.code is grpc.StatusCode.INTERNAL
        assert "hunter2" not in repr(told.value)


MEANT = [
    InvalidFields.of([Violation("labels[2]", "must not be blank")]),
    InvalidCursor("no"),
    Forbidden("no"),
    NotFound("no"),
    VersionMismatch("no", metadata={"version": "7"}),
    IdempotencyKeyReused("no"),
    IdempotencyInFlight("no"),
    LimitReached("no"),
    Unavailable("no"),
]


async def test_a_named_error_arrives_as_it_was_meant_and_is_counted_so(
    failing: Callable[..., Any], specimen: Specimen
) -> None:
    meant: DomainError = MEANT[0]

    async def refuses(request: Any, context: Any) -> None:
        raise meant

    actor = await failing(refuses)
    for meant in MEANT:
        code = meant.kind.value
        before = counted(actor, specimen, code)
        with pytest.raises(RemoteError) as told:
            await actor(specimen.read(str(uuid4())))
        arrived = told.value
        assert (arrived.code, arrived.reason, arrived.message) == (code, meant.reason, meant.message)
        assert (arrived.violations, arrived.metadata) == (meant.violations, meant.metadata)
        await until_counted(actor, specimen, code, before + 1)


async def test_a_status_that_a_handler_aborts_with_stays_that_status(
    failing: Callable[..., Any], specimen: Specimen
) -> None:
    async def aborts(request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "deliberately")

    actor = await failing(aborts)
    before = counted(actor, specimen, grpc.StatusCode.OUT_OF_RANGE)
    with pytest.raises(RemoteError) as told:
        await actor(specimen.read(str(uuid4())))
    assert (told.value.code, told.value.message) == (grpc.StatusCode.OUT_OF_RANGE, "deliberately")
    await until_counted(actor, specimen, grpc.StatusCode.OUT_OF_RANGE, before + 1)


async def test_ten_thousand_broken_fields_are_still_an_answer(failing: Callable[..., Any], specimen: Specimen) -> None:
    async def refuses(request: Any, context: Any) -> None:
        raise InvalidFields.of([Violation(f"labels[{i}]", "must hold no „ä🚀“" * 100) for i in range(10_000)])

    actor = await failing(refuses)
    with pytest.raises(RemoteError) as told:
        await actor(specimen.read(str(uuid4())))
    assert told.value.reason == "INVALID_FIELDS"
    assert told.value.violations[0].field == "labels[0]"


async def test_what_does_not_exist_is_not_found_and_counted_so(act: Actor, specimen: Specimen) -> None:
    before = counted(act, specimen, grpc.StatusCode.NOT_FOUND)
    with pytest.raises(RemoteError) as told:
        await act(specimen.read(str(uuid4())))
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
    await until_counted(act, specimen, grpc.StatusCode.NOT_FOUND, before + 1)


async def test_an_id_that_is_none_is_an_invalid_field(act: Actor, specimen: Specimen) -> None:
    for id_ in ("", "1", "null", "../..", "x' OR '1'='1", "018F0000-0000-7000-8000-00000000000", "\x00", "é" * 36):
        with pytest.raises(RemoteError) as told:
            await act(specimen.read(id_))
        assert (told.value.code, told.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELDS")
