"""The calling end: a channel that notices death and revival fast, and calls that carry everything a hop must."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import grpc
from opentelemetry.trace import SpanKind

from chassis import call as calls
from chassis import metrics, telemetry
from chassis.errors import RemoteError, is_named
from chassis.identity import Caller
from chassis.settings import Tls
from chassis.telemetry import propagator, tracer

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

_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""The codes by which a call failed, as on the serving side. Others, such as NOT_FOUND, are answers that a client here
expects: marked as errors they would make an error of every trace of a 404."""

_RESTART_S: Final = 2.0
"""How long a call that may be repeated waits for a service that is not there."""
_PAUSE_S: Final = 0.05


def channel(target: str, tls: Tls | None, *, heeds_farewells: bool = False) -> grpc.aio.Channel:
    """Open a channel to `host:port`, mutually authenticated when `tls` is given.

    With `heeds_farewells` a replica that says it goes gets no more calls; only services of this house do.
    """
    options = (*_OPTIONS, _HEED_FAREWELLS) if heeds_farewells else _OPTIONS
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    key, chain = tls.chain
    return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(tls.ca, key, chain), options=options)


@dataclass(frozen=True)
class Reply:
    """A call's answer and its trailing metadata."""

    message: Any
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def replayed(self) -> bool:
        """Whether this is the recorded reply of an earlier call with the same idempotency key."""
        return self.trailers.get(calls.IDEMPOTENCY_REPLAYED) == "true"


async def invoke(
    rpc: Any,
    request: Any,
    *,
    caller: Caller,
    request_id: str,
    timeout_s: float,
    idempotency: tuple[str, str] | None = None,
    repeatable: bool = False,
) -> Reply:
    """Call a unary RPC of a stub.

    Args:
        rpc: the stub's method, for example `stub.GetProject`.
        request: its message.
        caller: on whose behalf.
        request_id: of the request that this call serves.
        timeout_s: seconds until the deadline, retries included.
        idempotency: key and fingerprint (hex SHA-256) of a write that must happen once.
        repeatable: whether the call may be sent again when the service is not there: a read, or a keyed write.

    Raises:
        RemoteError: what the service, or the way to it, said.
    """
    async with _span(rpc, caller, request_id, idempotency) as metadata:
        return await _attempt(rpc, request, metadata, time.perf_counter() + timeout_s, repeatable=repeatable)


async def upload(
    rpc: Any,
    header: Any,
    parts: AsyncIterator[Any],
    *,
    caller: Caller,
    request_id: str,
    timeout_s: float,
    idempotency: tuple[str, str] | None = None,
) -> Reply:
    """Call an RPC that answers a header, takes a stream at its own pace, and answers that; arguments as `invoke`.

    When the header is refused, `parts` is not touched; when `parts` fails, the call is cancelled.

    Raises:
        RemoteError: what the service, or the way to it, said.
    """
    async with _span(rpc, caller, request_id, idempotency) as metadata:
        sent = rpc(metadata=metadata, timeout=timeout_s, wait_for_ready=False)
        try:
            await sent.write(header)
            await sent.read()
            async for part in parts:
                await sent.write(part)
            await sent.done_writing()
            return Reply(await sent.read(), await _trailers(sent))
        finally:
            sent.cancel()


async def download(
    rpc: Any, request: Any, *, caller: Caller, request_id: str, timeout_s: float
) -> AsyncGenerator[Any, None]:
    """Call an RPC that answers with a stream, and give its parts at the pace at which they are taken; as `invoke`.

    To be taken and closed by one task, since its span is current in between.

    Raises:
        RemoteError: what the service, or the way to it, said; perhaps in the middle.
    """
    async with _span(rpc, caller, request_id, None) as metadata:
        sent = rpc(request, metadata=metadata, timeout=timeout_s, wait_for_ready=False)
        try:
            async for part in sent:
                yield part
        finally:
            sent.cancel()


@contextlib.asynccontextmanager
async def _span(
    rpc: Any, caller: Caller, request_id: str, idempotency: tuple[str, str] | None
) -> AsyncIterator[list[tuple[str, str]]]:
    """Trace and measure a call, name its failure, and give the metadata that it needs."""
    method = rpc._method.decode() if isinstance(rpc._method, bytes) else rpc._method  # noqa: SLF001 - a stub has no public name
    carrier: dict[str, str] = {}
    started = time.perf_counter()
    code = grpc.StatusCode.OK
    with tracer.start_as_current_span(
        method[1:],
        kind=SpanKind.CLIENT,
        attributes=_attributes(method, rpc._channel.target),  # noqa: SLF001 - as above
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        propagator.inject(carrier)
        metadata = [(calls.REQUEST_ID, request_id), *carrier.items(), *caller.to_metadata()]
        if idempotency:
            metadata += zip((calls.IDEMPOTENCY_KEY, calls.IDEMPOTENCY_FINGERPRINT), idempotency, strict=True)
        try:
            yield metadata
        except grpc.aio.AioRpcError as failure:
            code = failure.code()
            if code in _FAULTS:
                telemetry.fail(span, code.name)
            raise RemoteError.from_rpc(failure) from None
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        finally:
            span.set_attribute("rpc.status_code", code.name)
            seconds = time.perf_counter() - started
            metrics.rpc_client_duration.labels(method, code.name).observe(seconds, metrics.exemplar())


@lru_cache(maxsize=512)
def _attributes(method: str, target: bytes) -> Mapping[str, str | int]:
    reached = target.decode().removeprefix("dns:///")
    return {"rpc.system.name": "grpc", "rpc.method": method[1:], **telemetry.address(reached)}


async def _attempt(
    rpc: Any,
    request: Any,
    metadata: Sequence[tuple[str, str]],
    deadline: float,
    *,
    repeatable: bool,
) -> Reply:
    """Send the call; one that may be repeated waits out a restart of the service within its deadline."""
    give_up = min(deadline, time.perf_counter() + _RESTART_S)
    repeated = False
    while True:
        sent = rpc(request, metadata=metadata, timeout=max(0.0, deadline - time.perf_counter()), wait_for_ready=False)
        try:
            message = await sent
        except grpc.aio.AioRpcError as failure:
            answered = is_named(failure)
            # A service that is there and says UNAVAILABLE is asked once more: its connection to the database may have
            # been dead. One that is not there may be restarting.
            over = repeated if answered else time.perf_counter() + _PAUSE_S >= give_up
            if failure.code() is not grpc.StatusCode.UNAVAILABLE or not repeatable or over:
                raise
            repeated = True
            await asyncio.sleep(0 if answered else _PAUSE_S)
        else:
            return Reply(message, await _trailers(sent))


async def _trailers(sent: Any) -> Mapping[str, str]:
    return {k: v for k, v in await sent.trailing_metadata() or () if isinstance(v, str)}
