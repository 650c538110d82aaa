"""What happens around every RPC, once: identity, access, deadline, trace, metrics, log, and errors by name."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, aclosing, asynccontextmanager, nullcontext, suppress
from typing import Any, Final, Self, TypeAlias
from uuid import uuid4

import grpc
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from chassis import call as calls
from chassis import logs, metrics, service_metrics, telemetry
from chassis.access import Rule
from chassis.admission import Admission
from chassis.errors import (
    DETAILS_KEY,
    DeadlineExceeded,
    DomainError,
    Internal,
    InvalidFields,
    Kind,
    Overloaded,
    Unauthenticated,
    Violation,
    to_status,
)
from chassis.identity import KEYS, NOBODY, Caller
from chassis.telemetry import propagator, tracer
from chassis.watching import Goes

log = logging.getLogger(__name__)

# Generic in the type stubs alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

SPIFFE_PREFIX: Final = "spiffe://neoforge/"
LONGEST_CALL_S: Final = 60.0
"""A call without a deadline gets this one, so that nothing works for a caller who is long gone."""
_DEADLINE_SLACK_S: Final = 0.1
"""The caller's clock started before ours did: its cancel at the deadline is here a little before we think it is due."""

_PROBES: Final = "/grpc.health."
"""Asked every second by machines: no spans, as of the gateway's probes."""
_WATCH: Final = "/grpc.health.v1.Health/Watch"
"""Lasts as long as its caller's connection, so it is no call to be timed, and anyone may."""

_FAULTS = frozenset({Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE})
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg] # generic in the type stubs alone
    """Wraps every RPC of a server.

    `rules` says who may call which method; a method without a rule is refused. Identity metadata is believed only when
    the peer's certificate carries the SPIFFE id of one of `trusted_callers`; from anyone else it is an imposture.
    `admission` decides how many calls are worked on at once, streams apart: they last as long as their callers wish.
    Of the methods that are `lasting` what is measured is over with their first reply: how long somebody listens says
    nothing about this service.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule],
        trusted_callers: frozenset[str],
        admission: Admission,
        lasting: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = rules
        self._lasting = lasting
        self._admission = admission
        self._trusted = frozenset(f"{SPIFFE_PREFIX}{name}".encode() for name in trusted_callers)
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Give the wrapped handler of the called method."""
        method = handler_call_details.method
        if method == _WATCH:
            return await continuation(handler_call_details)
        known = self._wrapped.get(method)
        if known is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # an unknown method, which the stubs leave out; anyone may call it anything
                service_metrics.rpc_server_duration.labels("other", grpc.StatusCode.UNIMPLEMENTED.name).observe(0)
                return handler
            known = self._wrapped[method] = self._wrap(method, handler)
        return known

    def _wrap(self, method: str, handler: Handler) -> Handler:
        kinds: tuple[tuple[Any, Any, bool], ...] = (
            (handler.unary_unary, grpc.unary_unary_rpc_method_handler, False),
            (handler.unary_stream, grpc.unary_stream_rpc_method_handler, True),
            (handler.stream_unary, grpc.stream_unary_rpc_method_handler, False),
            (handler.stream_stream, grpc.stream_stream_rpc_method_handler, True),
        )
        behavior, make, streams = next(kind for kind in kinds if kind[0] is not None)
        place = nullcontext if method.startswith(_PROBES) else self._admission.place

        async def unary(request: Any, context: Context) -> Any:
            async with self._around(method, context, LONGEST_CALL_S), place():
                return await behavior(request, context)

        async def stream(request: Any, context: Context) -> None:
            # A coroutine that writes, even around a generator: all of it runs in one task, whose context ends with it.
            # A stream may go on for as long as its caller listens.
            async with self._around(method, context, None) as measured:
                replies = behavior(request, context)
                if not hasattr(replies, "__aiter__"):  # it writes by itself
                    await replies
                    return
                # Closed when the caller leaves, not when somebody collects what is left of it.
                async with aclosing(replies):
                    with suppress(Goes):
                        async for reply in replies:
                            await _write(context, reply)
                            if method in self._lasting:
                                measured()

        wrapped: Handler = make(
            stream if streams else unary,
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    @asynccontextmanager
    async def _around(
        self, method: str, context: Context, longest_s: float | None
    ) -> AsyncIterator[Callable[[], None]]:
        """Do what is done around every call; what is given ends what is measured of it before its end."""
        metadata = {k: v for k, v in context.invocation_metadata() or () if isinstance(v, str)}
        call = calls.Call(
            method=method,
            request_id=metadata.get(calls.REQUEST_ID) or uuid4().hex,
            idempotency_key=metadata.get(calls.IDEMPOTENCY_KEY, ""),
            idempotency_fingerprint=metadata.get(calls.IDEMPOTENCY_FINGERPRINT, ""),
        )
        calls.enter(call)
        logs.request_id.set(call.request_id)
        with _Measured(method, metadata) as measured:
            try:
                call.caller = self._caller(metadata, context)
                self._rules[method].check(call.caller)
                _check_idempotency(call)
                # At the caller's own deadline gRPC cancels this task; only a call without one needs a clock here.
                async with asyncio.timeout(longest_s if context.time_remaining() is None else None):
                    yield measured.end
                if call.trailers:
                    context.set_trailing_metadata(tuple(call.trailers.items()))
            except grpc.aio.AbortError:
                measured.code = context.code()
                raise
            except asyncio.CancelledError:
                measured.code = code = _cancelled(context)
                if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                    measured.fail(code.name)
                    log.warning("%s ran out of time", method, extra={"method": method, "code": code.name})
                raise
            except Exception as failure:  # noqa: BLE001 - everything that goes wrong has an answer
                error = _named(failure)
                measured.code = code = error.kind.value
                if error.kind in _FAULTS:
                    measured.fail(code.name, error.message)
                if not isinstance(error, Overloaded):  # told once a second, for all
                    log.log(
                        logging.WARNING if error.kind in _FAULTS else logging.INFO,
                        "%s failed: %s",
                        method,
                        error.message,
                        extra={"method": method, "code": code.name, "reason": error.reason},
                    )
                status = to_status(error)
                await context.abort(code, status.message, ((DETAILS_KEY, status.SerializeToString()),))

    def _caller(self, metadata: Mapping[str, str], context: Context) -> Caller:
        peer = context.auth_context().get("x509_subject_alternative_name", ())
        if not self._trusted.isdisjoint(peer):
            try:
                return Caller.from_metadata(metadata)
            except ValueError as wrong:
                raise Unauthenticated("the caller's identity is malformed") from wrong
        if not KEYS.isdisjoint(metadata):
            raise Unauthenticated("identity is taken only over a channel that is authenticated as a trusted caller")
        return NOBODY


async def _write(context: Context, reply: Any) -> None:
    try:
        await context.write(reply)
    except grpc.aio.InternalError:  # by which gRPC says that the caller has gone in this very moment
        raise asyncio.CancelledError from None


class _Measured:
    """Span, metrics and progress of one call, until it has ended or is told to be over."""

    def __init__(self, method: str, metadata: Mapping[str, str]) -> None:
        self.code = grpc.StatusCode.OK
        self._method = method
        self._metadata = metadata
        self._over = False

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        self._in_progress = service_metrics.rpc_server_in_progress.labels(self._method)
        self._in_progress.inc()
        self._current = ExitStack()
        self._span = self._current.enter_context(_span(self._method, self._metadata))
        return self

    def fail(self, error_type: str, description: str | None = None) -> None:
        """Mark the span as failed."""
        if not self._over:
            telemetry.fail(self._span, error_type, description)

    def end(self) -> None:
        """Tell what was measured, once."""
        if self._over:
            return
        self._over = True
        self._span.set_attribute("rpc.status_code", self.code.name)
        self._in_progress.dec()
        seconds = time.perf_counter() - self._started
        duration = service_metrics.rpc_server_duration.labels(self._method, self.code.name)
        duration.observe(seconds, metrics.exemplar())
        self._current.close()

    def __exit__(self, *_: object) -> None:
        self.end()


def _span(method: str, metadata: Mapping[str, str]) -> AbstractContextManager[Span]:
    if method.startswith(_PROBES):
        return trace.use_span(INVALID_SPAN)
    name, attributes = method[1:], {"rpc.system.name": "grpc", "rpc.method": method[1:]}
    context = propagator.extract(metadata)
    return telemetry.within(tracer.start_span(name, context=context, kind=SpanKind.SERVER, attributes=attributes))


def _check_idempotency(call: calls.Call) -> None:
    if call.idempotency_key and not _FINGERPRINT.fullmatch(call.idempotency_fingerprint):
        raise InvalidFields.of([Violation(calls.IDEMPOTENCY_FINGERPRINT, "must be a SHA-256 in hexadecimal")])


def _cancelled(context: Context) -> grpc.StatusCode:
    """Why gRPC cancelled the call: its deadline passed, or the caller (or a draining server) gave it up."""
    remaining = context.time_remaining()
    out_of_time = remaining is not None and remaining <= _DEADLINE_SLACK_S
    return grpc.StatusCode.DEADLINE_EXCEEDED if out_of_time else grpc.StatusCode.CANCELLED


def _named(failure: Exception) -> DomainError:
    """Give a failure its name; what has none is masked, and told in full to the log alone."""
    if isinstance(failure, DomainError):
        return failure
    if isinstance(failure, TimeoutError):
        return DeadlineExceeded("the call's time ran out")
    log.error("an unexpected exception was masked", exc_info=failure)
    telemetry.record(trace.get_current_span(), failure)
    return Internal("something went wrong on our side; the request id finds it in the log")
