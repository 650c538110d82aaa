"""Health and readiness follow the database, and nothing needs a restart when it is back."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import database as chassis_database
from chassis.embedded.postgresql import FORGETFUL, PostgreSQL
from chassis.errors import RemoteError
from chassis.service import RunningService, Service
from chassis.testing.acting import Actor
from chassis.testing.plugin import templates
from chassis.testing.specimen import Specimen
from chassis.testing.waiting import until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
RECONNECT_S = 0.3


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A server that a test may stop and start."""
    with PostgreSQL(tmp_path_factory.mktemp("postgresql"), settings=FORGETFUL) as server:
        yield server


@pytest.fixture(scope="module")
def template(postgresql: PostgreSQL) -> Callable[[Service[Any]], str]:
    return templates(postgresql)


@pytest_asyncio.fixture
async def health(act: Actor) -> AsyncIterator[Any]:
    yield health_pb2_grpc.HealthStub(act.client.channel)


async def status(health: Any, part: str = "") -> Any:
    return (await health.Check(health_pb2.HealthCheckRequest(service=part))).status


def ready(running: RunningService[Any]) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.ops_port}/ready") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


async def test_health_and_readiness_follow_the_database_and_an_outage_heals_by_itself(
    postgresql: PostgreSQL, running: RunningService[Any], act: Actor, specimen: Specimen, health: Any
) -> None:
    made = await act.made()
    assert await status(health) == await status(health, "database") == SERVING
    assert ready(running)[0] == 200
    statuses: list[Any] = []

    async def listen() -> None:
        async for told in health.Watch(health_pb2.HealthCheckRequest(service="")):
            statuses[:] = [told.status]

    listener = asyncio.create_task(listen())
    postgresql.stop()
    await until(lambda: statuses == [NOT_SERVING])
    assert await status(health) == await status(health, "database") == NOT_SERVING
    assert ready(running) == (503, '{"status": "not ready", "database": "down"}')
    # Longer than the pool tries by itself: it has given up every connection before the database is back.
    running.database._pool.reconnect_timeout = RECONNECT_S
    await until(lambda: running.database._pool.get_stats().get("pool_available", 0) == 0)
    for _ in range(3):
        with pytest.raises(RemoteError) as told:
            await act(specimen.read(made.id))
        assert told.value.code is grpc.StatusCode.UNAVAILABLE
    postgresql.start()
    await until(lambda: statuses == [SERVING], longest_s=5)
    assert ready(running)[0] == 200
    for _ in range(20):  # no connection of before is left to be met
        assert specimen.resource(await act(specimen.read(made.id))) == made
    listener.cancel()


async def test_a_restart_of_the_database_costs_each_reader_at_most_one_failure(
    postgresql: PostgreSQL, running: RunningService[Any], act: Actor, specimen: Specimen
) -> None:
    made = await act.made()
    await asyncio.gather(*(act(specimen.read(made.id)) for _ in range(20)))  # as many connections as the pool has
    postgresql.stop()
    postgresql.start()
    assert specimen.resource(await act(specimen.read(made.id), repeatable=True)) == made


async def test_a_service_that_starts_without_its_database_says_so_and_serves_when_it_comes(
    postgresql: PostgreSQL,
    service: Service[Any],
    specimen: Specimen,
    settings: Any,
    serve: Callable[..., Any],
    connect: Callable[..., Actor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chassis_database, "_RECONNECT_TIMEOUT_S", RECONNECT_S)
    postgresql.stop()
    running = await serve(service)
    actor = connect(running.port)
    assert await status(health_pb2_grpc.HealthStub(actor.client.channel)) == NOT_SERVING
    postgresql.start()
    await until(lambda: running.health.ready, longest_s=10)
    assert (await actor.made()).id
