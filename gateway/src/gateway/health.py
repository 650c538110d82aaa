"""Whether the gateway can do its work: a short probe in the background, so that asking is cheap and the answer true."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis

_INTERVAL_S: Final = 0.5
_TIMEOUT_S: Final = 0.4
_STALE_S: Final = 3.0
"""A probe that has not come back for so long is no news that all is well."""

Probe = Callable[[], Awaitable[Mapping[str, bool]]]
"""Asks one dependency, and gives the state of everything that its answer tells about."""


class Readiness:
    """The last known state of every dependency."""

    def __init__(self, probes: Mapping[str, Probe]) -> None:
        self._probes = probes
        self._states = dict.fromkeys(probes, False)
        self._seen = float("-inf")
        self._leaving = False

    def leave(self) -> None:
        """Be ready for nothing from now on: this gateway goes, and whoever sends requests should ask another."""
        self._leaving = True

    def states(self) -> dict[str, bool]:
        """Give each dependency's name, and whether it answered the last probe."""
        states = dict(self._states)
        if time.monotonic() - self._seen > _STALE_S:
            states = dict.fromkeys(states, False)
        return states | {"accepting": False} if self._leaving else states

    async def watch(self) -> None:
        """Probe twice a second, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_INTERVAL_S)

    async def look(self) -> None:
        """Ask every dependency once, all at the same time."""
        found = await asyncio.gather(*(self._ask(name, probe) for name, probe in self._probes.items()))
        self._states = {name: up for states in found for name, up in states.items()}
        self._seen = time.monotonic()

    async def _ask(self, name: str, probe: Probe) -> Mapping[str, bool]:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await probe()
        except Exception:  # noqa: BLE001 - whatever keeps a dependency from answering, it does not answer
            return {name: False}


def service(name: str, channel: grpc.aio.Channel) -> Probe:
    """Ask a service by grpc.health.v1, which also tells whether its database answers."""
    stub = health_pb2_grpc.HealthStub(channel)

    async def serving(part: str) -> bool:
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=part), timeout=_TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def probe() -> Mapping[str, bool]:
        whole, database = await asyncio.gather(serving(""), serving("database"))
        return {"database": database, name: whole}

    return probe


def redis(client: Redis) -> Probe:
    """Ask Redis by PING."""

    async def probe() -> Mapping[str, bool]:
        return {"redis": bool(await client.ping())}

    return probe


def known(name: str, is_known: Callable[[], bool]) -> Probe:
    """Tell whether this process knows what it must: the issuer's keys, say, which stay known while it is away."""

    async def probe() -> Mapping[str, bool]:
        return {name: is_known()}

    return probe
