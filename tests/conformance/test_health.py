"""Anyone may ask how a service is, and what it offers."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chassis.service import RunningService, Service
from chassis.testing.acting import Actor


async def test_health_of_an_unknown_part_is_not_found(act: Actor) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await health_pb2_grpc.HealthStub(act.client.channel).Check(health_pb2.HealthCheckRequest(service="nonsense"))
    assert told.value.code() is grpc.StatusCode.NOT_FOUND


async def test_anyone_may_ask_for_health_and_for_the_services_that_there_are(
    running: RunningService[Any], connect: Callable[..., Actor], service: Service[Any]
) -> None:
    channel = connect(running.port, name="stranger").client.channel
    told = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert told.status == health_pb2.HealthCheckResponse.SERVING
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    replies = [r async for r in reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked)]
    names = {listed.name for reply in replies for listed in reply.list_services_response.service}
    assert {descriptor.full_name for descriptor in service.descriptors} < names
