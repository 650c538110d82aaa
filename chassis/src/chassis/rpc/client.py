"""The calling end: calls that carry everything a hop must."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import grpc
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from chassis import call as calls
from chassis import metrics, telemetry
from chassis.errors import RemoteError, is_named, is_overloaded
from chassis.identity import Caller
from chassis.rpc.channel import Method
from chassis.telemetry import propagator, tracer

repetitions = Counter(
    "rpc_client_retries_total",
    "Calls that a service failed and that might be repeated: whether they were (repeated), or too many were (denied)",
    ("outcome",),
)
metrics.begin(repetitions, ("repeated", "denied"))

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
"""How long a call waits for a service that is not there: longer than a service says farewell, after which at the latest
another replica is looked for."""
_LAST_WORD_S: Final = 0.5
_PAUSE_S: Final = 0.05


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
        rpc: the method of a stub on a `Channel`, for example `stub.GetProject`: a `Method`, whatever its stub says.
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


async def watch(rpc: Any, request: Any, *, caller: Caller, request_id: str) -> AsyncGenerator[Any, None]:
    """Call an RPC that tells at once where it begins and goes on for as long as its replies are taken; as `invoke`.

    It has no deadline, and what is measured of it is the wait for the first reply. To be closed.

    Raises:
        RemoteError: what the service, or the way to it, said; perhaps in the middle. Its end is no error of it.
    """
    async with _span(rpc, caller, request_id, None) as metadata:
        sent = rpc(request, metadata=metadata, wait_for_ready=False)
        parts = aiter(sent)
        try:
            first = await anext(parts, None)
        except BaseException:
            sent.cancel()
            raise
    try:
        if first is not None:
            yield first
        async for part in parts:
            yield part
    except grpc.aio.AioRpcError as failure:
        raise RemoteError.from_rpc(failure) from None
    finally:
        sent.cancel()


@contextlib.asynccontextmanager
async def _span(
    rpc: Method, caller: Caller, request_id: str, idempotency: tuple[str, str] | None
) -> AsyncIterator[list[tuple[str, str]]]:
    """Trace and measure a call, name its failure, and give the metadata that it needs."""
    carrier: dict[str, str] = {}
    started = time.perf_counter()
    code = grpc.StatusCode.OK
    attributes = _attributes(rpc.name, rpc.channel.target)
    with telemetry.within(tracer.start_span(rpc.name[1:], kind=SpanKind.CLIENT, attributes=attributes)) as span:
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
            duration = metrics.rpc_client_duration.labels(rpc.channel.peer, rpc.name, code.name)
            duration.observe(time.perf_counter() - started, metrics.exemplar())


@lru_cache(maxsize=512)
def _attributes(method: str, target: str) -> Mapping[str, str | int]:
    reached = target.removeprefix("dns:///")
    return {"rpc.system.name": "grpc", "rpc.method": method[1:], **telemetry.address(reached)}


async def _attempt(
    rpc: Any,
    request: Any,
    metadata: Sequence[tuple[str, str]],
    deadline: float,
    *,
    repeatable: bool,
) -> Reply:
    """Send the call once there is somebody to send it to, and once more if it may be repeated and was lost."""
    give_up = min(deadline, time.perf_counter() + _RESTART_S)
    repeated = False
    budget = rpc.channel.retries
    while True:
        arrives = rpc.channel.connected or await rpc.channel.reached(give_up - time.perf_counter())
        # Where nobody was found in all that time, the channel says so at once; the deadline is not to speak first.
        left_s = max(0.0 if arrives else _LAST_WORD_S, deadline - time.perf_counter())
        sent = rpc(request, metadata=metadata, timeout=left_s, wait_for_ready=False)
        try:
            message = await sent
        except grpc.aio.AioRpcError as failure:
            if failure.code() is not grpc.StatusCode.UNAVAILABLE:
                budget.answered()
                raise
            answered = is_named(failure)
            if answered or arrives:
                budget.failed()
            # A service that is there and says UNAVAILABLE is asked once more: its connection to the database may have
            # been dead. One that has too much to do is not. One that is not there may be restarting; one that died of
            # the call, or with it, is asked again while there is a budget.
            over = repeated or is_overloaded(failure) if answered else time.perf_counter() + _PAUSE_S >= give_up
            if not repeatable or over:
                raise
            if answered or arrives:
                repetitions.labels("repeated" if budget.left else "denied").inc()
                if not budget.left:
                    raise
            repeated = True
            await asyncio.sleep(0 if answered else _PAUSE_S)
        else:
            budget.answered()
            return Reply(message, await _trailers(sent))


async def _trailers(sent: Any) -> Mapping[str, str]:
    return {k: v for k, v in await sent.trailing_metadata() or () if isinstance(v, str)}
