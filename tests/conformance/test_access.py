"""Nobody calls what they may not, and nobody is believed who cannot be."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc
import pytest

from chassis.access import rules_of
from chassis.errors import RemoteError
from chassis.house import House
from chassis.identity import NOBODY, Caller
from chassis.service import RunningService, Service, Servicer
from chassis.testing.acting import Actor
from chassis.testing.client import Client
from chassis.testing.specimen import Specimen


async def test_every_rpc_declares_who_may_call_it(running: RunningService[Any], service: Service[Any]) -> None:
    servicers = service.build(running.house)
    for servicer, descriptor in zip(servicers, service.descriptors, strict=True):
        rules = rules_of(servicer.implementation, descriptor)
        assert set(rules) == {f"/{descriptor.full_name}/{method.name}" for method in descriptor.methods}


async def test_a_server_with_an_rpc_that_does_not_say_who_may_call_it_does_not_start(
    service: Service[Any], specimen: Specimen, settings: Any
) -> None:
    method, _ = specimen.create(1)

    def build(house: House[Any]) -> list[Servicer]:
        def undeclared(request: Any, context: Any) -> None: ...

        built = list(service.build(house))
        for servicer in built:
            if hasattr(servicer.implementation, method):
                setattr(servicer.implementation, method, undeclared)
        return built

    with pytest.raises(TypeError, match=f"does not say who may call: {method}"):
        await RunningService(replace(service, build=build), settings).start()


async def test_an_identity_over_a_plaintext_channel_is_not_believed(
    service: Service[Any], specimen: Specimen, settings: Any, connect: Callable[..., Actor]
) -> None:
    bare = RunningService(
        service, settings.model_copy(update={"tls_ca": None, "tls_certificate": None, "tls_key": None})
    )
    await bare.start()
    try:
        async with Client(f"127.0.0.1:{bare.port}", None, service.descriptors) as client:
            await refused(Actor(client, specimen)(specimen.read(str(uuid4()))))
    finally:
        await bare.stop(grace_s=0)


async def test_an_identity_from_a_process_that_is_no_trusted_caller_is_not_believed(
    running: RunningService[Any], specimen: Specimen, connect: Callable[..., Actor]
) -> None:
    await refused(connect(running.port, name="stranger")(specimen.read(str(uuid4()))))


@pytest.mark.parametrize("key", ["x-neoforge-roles", "x-neoforge-session", "x-neoforge-address"])
async def test_any_invented_part_of_an_identity_is_refused(
    running: RunningService[Any], specimen: Specimen, connect: Callable[..., Actor], key: str
) -> None:
    method, request = specimen.read(str(uuid4()))
    client = connect(running.port, name="stranger").client
    rpc = client.channel.unary_unary(client.path(method), type(request).SerializeToString, bytes)
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await rpc(request, metadata=((key, "admin"),))
    assert told.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_caller_without_a_certificate_gets_no_connection(
    running: RunningService[Any], specimen: Specimen, service: Service[Any]
) -> None:
    client = Client(f"127.0.0.1:{running.port}", None, service.descriptors)
    with pytest.raises(RemoteError) as told:
        await Actor(client, specimen)(specimen.read(str(uuid4())))
    await client.channel.close(None)
    assert told.value.code is grpc.StatusCode.UNAVAILABLE


async def test_nobody_may_write_without_signing_in(act: Actor, specimen: Specimen) -> None:
    await refused(act(specimen.create(1), NOBODY))


async def test_a_malformed_identity_is_refused(
    running: RunningService[Any], specimen: Specimen, connect: Callable[..., Actor]
) -> None:
    class Malformed(Caller):
        def to_metadata(self) -> list[tuple[str, str]]:
            return [("x-neoforge-subject", "no-uuid")]

    await refused(connect(running.port)(specimen.read(str(uuid4())), Malformed()))


async def refused(asked: Awaitable[Any]) -> None:
    with pytest.raises(RemoteError) as told:
        await asked
    assert (told.value.code, told.value.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
