"""A replica that goes says so first, and its callers turn to another before it takes no more calls."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.access import ANYONE
from chassis.admission import Admission
from chassis.call import ACCEPTING
from chassis.rpc.channel import Channel
from chassis.rpc.server import CallInterceptor
from chassis.testing.waiting import until

CHECK = "/grpc.health.v1.Health/Check"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


AGE = ("grpc.max_connection_age_ms", 20)


class Replica(health_aio.HealthServicer):
    """A server of nothing but its own health, which counts who asks."""

    asked = 0

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - as the proto calls it
        self.asked += 1
        return await super().Check(request, context)

    async def start(self, *options: tuple[str, int]) -> None:
        interceptors = [CallInterceptor({CHECK: ANYONE}, frozenset(), Admission())]
        self.server = grpc.aio.server(interceptors=interceptors, options=options)
        health_pb2_grpc.add_HealthServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        await self.set(ACCEPTING, SERVING)
        await self.server.start()


@pytest_asyncio.fixture
async def replicas() -> AsyncIterator[tuple[Replica, Replica]]:
    both = Replica(), Replica()
    for replica in both:
        await replica.start()
    yield both
    for replica in both:
        await replica.server.stop(None)


@pytest_asyncio.fixture
async def opened(replicas: tuple[Replica, Replica]) -> AsyncIterator[grpc.aio.Channel]:
    addresses = ",".join(f"127.0.0.1:{replica.port}" for replica in replicas)
    async with Channel(f"ipv4:{addresses}", None, heeds_farewells=True) as made:
        yield made


async def outcome(opened: grpc.aio.Channel) -> grpc.StatusCode:
    """How a call ended."""
    asked = health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=60)
    return await asked.code()


async def test_no_call_is_lost_to_a_replica_that_has_said_that_it_goes(
    replicas: tuple[Replica, Replica], opened: grpc.aio.Channel
) -> None:
    leaves, stays = replicas
    stub = health_pb2_grpc.HealthStub(opened)

    async def called(times: int = 1) -> None:
        for _ in range(times):
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=leaves.asked == 0)

    async def both_are_asked() -> bool:
        await called()
        return leaves.asked > 0 and stays.asked > 0

    async def one_is_left_alone() -> bool:
        before = leaves.asked
        await called(10)
        return leaves.asked == before

    await until(both_are_asked)
    await leaves.set(ACCEPTING, NOT_SERVING)
    await until(one_is_left_alone)
    await leaves.server.stop(None)
    await called(10)


async def test_where_every_replica_goes_calls_fail_at_once_and_come_back_with_the_first(
    replicas: tuple[Replica, Replica], opened: grpc.aio.Channel
) -> None:
    stub = health_pb2_grpc.HealthStub(opened)
    await stub.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    for replica in replicas:
        await replica.set(ACCEPTING, NOT_SERVING)

    async def refused() -> bool:
        return await outcome(opened) is grpc.StatusCode.UNAVAILABLE

    await until(refused)
    await replicas[0].set(ACCEPTING, SERVING)
    await stub.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)


async def test_no_call_is_lost_to_a_connection_that_reaches_its_age() -> None:
    replica = Replica()
    await replica.start(AGE)
    async with Channel(f"127.0.0.1:{replica.port}", None, heeds_farewells=True) as made:
        stub = health_pb2_grpc.HealthStub(made)
        for _ in range(500):
            await stub.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
    await replica.server.stop(None)


@pytest.mark.parametrize("heeds", [True, False])
async def test_a_replica_without_a_word_on_it_is_asked_only_by_those_who_need_none(heeds: bool) -> None:
    """A server of someone else's, which the status page looks after."""
    replica = Replica()
    await replica.start()
    replica._server_status.pop(ACCEPTING)
    async with Channel(f"127.0.0.1:{replica.port}", None, heeds_farewells=heeds) as made:
        assert await outcome(made) is (grpc.StatusCode.UNAVAILABLE if heeds else grpc.StatusCode.OK)
    assert replica.asked == (0 if heeds else 1)
    await replica.server.stop(None)
