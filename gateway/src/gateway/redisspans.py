"""Spans of what the gateway asks Redis, by the conventions for databases; made only where a trace is recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind
from redis.exceptions import RedisError

from chassis import telemetry
from chassis.telemetry import tracer

if TYPE_CHECKING:
    from redis.asyncio import Redis

_FAULTS: Final = (RedisError, OSError, TimeoutError)


class RedisSpans:
    """Makes the spans of one Redis."""

    def __init__(self, redis: "Redis") -> None:
        told = redis.connection_pool.connection_kwargs
        self._attributes: dict[str, str | int] = {
            "db.system.name": "redis",
            "db.namespace": str(told.get("db") or 0),
            "server.address": str(told.get("host", told.get("path", "localhost"))),
        }
        if "port" in told:
            self._attributes["server.port"] = int(told["port"])

    @contextmanager
    def command(self, name: str, script: str = "") -> Iterator[Span]:
        """Surround a command, of a script if it runs one; a fault of Redis is the span's error, and goes on."""
        if not trace.get_current_span().is_recording():
            yield INVALID_SPAN
            return
        attributes = {**self._attributes, "db.operation.name": name}
        if script:
            attributes["db.stored_procedure.name"] = script
        with tracer.start_as_current_span(
            f"{name} {script}" if script else name,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except _FAULTS as fault:
                telemetry.fail(span, type(fault).__name__)
                raise
