"""Spans of what the gateway asks Redis, by the conventions for databases; made only where a trace is recorded."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from opentelemetry.trace import Span
from redis.exceptions import RedisError

from chassis import telemetry

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

    def command(self, name: str, script: str = "") -> AbstractContextManager[Span]:
        """Surround a command, of a script if it runs one; a fault of Redis is the span's error, and goes on."""
        attributes = {**self._attributes, "db.operation.name": name}
        if script:
            attributes["db.stored_procedure.name"] = script
        return telemetry.calling(f"{name} {script}" if script else name, attributes, _FAULTS)
