"""A channel that notices death and revival fast, and whose methods know where they lead."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc

from chassis import call as calls
from chassis.rpc.retries import RetryBudget
from chassis.settings import Tls

_OPTIONS: Final = (
    ("grpc.lb_policy_name", "round_robin"),  # over all addresses that the name resolves to (headless services)
    # A replica that was replaced has another address; by default it would be looked up after 30 s at the earliest.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),  # a page of 100 of the longest texts, each with its HTML
    # gRPC's own retries stay on: without a policy they are those of calls that no server has seen, as when a connection
    # reaches its age. Others are decided where it is known whether a call may be repeated.
)

# The channel watches grpc.health.v1 of every replica: a call that meets a server in its last millisecond is lost.
# Source: https://github.com/grpc/proposal/blob/master/A17-client-side-health-checking.md
_HEED_FAREWELLS: Final = (
    "grpc.service_config",
    json.dumps({"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": calls.ACCEPTING}}),
)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a stub, which is called like gRPC's own; `name` is `/package.Service/Method`."""

    name: str
    channel: "Channel"
    _call: Callable[..., Any]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Begin a call."""
        return self._call(*arguments, **options)


class Channel(grpc.aio.Channel):
    """A channel to `host:port`, mutually authenticated when `tls` is given; stubs on it are made of `Method`s.

    With `heeds_farewells` a replica that says it goes gets no more calls; only services of this house do. `peer` is the
    service's name, by which calls are counted: several have the same methods.
    """

    def __init__(self, target: str, tls: Tls | None, *, heeds_farewells: bool = False, peer: str = "") -> None:
        self.peer = peer
        self.target = target
        """host:port"""
        self.retries = RetryBudget()
        options = (*_OPTIONS, _HEED_FAREWELLS) if heeds_farewells else _OPTIONS
        if tls is None:
            self._channel = grpc.aio.insecure_channel(target, options=options)
        else:
            key, chain = tls.chain
            credentials = grpc.ssl_channel_credentials(tls.ca, key, chain)
            self._channel = grpc.aio.secure_channel(target, credentials, options=options)

    def unary_unary(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Make a method that takes a message and gives one."""
        return Method(method, self, self._channel.unary_unary(method, *arguments, **options))

    def unary_stream(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Make a method that takes a message and gives a stream."""
        return Method(method, self, self._channel.unary_stream(method, *arguments, **options))

    def stream_unary(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Make a method that takes a stream and gives a message."""
        return Method(method, self, self._channel.stream_unary(method, *arguments, **options))

    def stream_stream(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Make a method that takes a stream and gives one."""
        return Method(method, self, self._channel.stream_stream(method, *arguments, **options))

    async def close(self, grace: float | None = None) -> None:
        """Close it; calls that run are given `grace` seconds."""
        await self._channel.close(grace)

    @property
    def connected(self) -> bool:
        """Whether a call that begins now reaches a server."""
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def reached(self, within_s: float) -> bool:
        """Wait until a call would reach a server, and say whether it would; nothing is sent, so any call may wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, within_s)):
                while not self.connected:
                    await self._channel.wait_for_state_change(self._channel.get_state(try_to_connect=True))
        return self.connected

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Give its state, and connect if it is idle and that is wanted."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until its state is another."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until it is connected."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
