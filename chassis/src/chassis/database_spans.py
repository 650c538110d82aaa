"""Spans of what a service asks PostgreSQL, by the conventions for databases; made only where a trace is recorded."""

import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import psycopg
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from chassis import telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping

_PORT: Final = 5432
_WORTH_A_SPAN_S: Final = 0.003
"""A call that had its connection sooner did not wait for one."""


class DatabaseSpans:
    """Makes the spans of one database; the schema in `db.namespace` is the one named as the login."""

    def __init__(self, url: str, pool: str) -> None:
        parts = urlsplit(url)
        self._attributes: Mapping[str, str | int] = {
            "db.system.name": "postgresql",
            "db.namespace": f"{parts.path[1:]}|{unquote(parts.username or '')}".strip("|"),
            "server.address": parts.hostname or "",
            "server.port": parts.port or _PORT,
        }
        self._pool = pool

    def statement(self, summary: str, sql: str) -> AbstractContextManager[Span]:
        """Surround a statement; an error of PostgreSQL is the span's error, and goes on."""
        attributes = {**self._attributes, "db.query.summary": summary, "db.query.text": sql}
        return telemetry.calling(summary, attributes, psycopg.Error, _describe)

    def waited(self, since: float, failure: psycopg.Error | None = None) -> None:
        """Tell of a wait for a connection of the pool, from `since` (time.perf_counter) until now, if it was one."""
        waited_s = time.perf_counter() - since
        if waited_s < _WORTH_A_SPAN_S or not trace.get_current_span().is_recording():
            return
        span = telemetry.tracer.start_span(
            "wait for a connection",
            kind=SpanKind.INTERNAL,
            attributes={**self._attributes, "db.client.connection.pool.name": self._pool},
            start_time=time.time_ns() - int(waited_s * 1e9),
        )
        if failure is not None:
            telemetry.fail(span, type(failure).__name__)
        span.end()


def _describe(span: Span, error: BaseException) -> None:
    sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
    if sqlstate:
        span.set_attribute("db.response.status_code", sqlstate)
    telemetry.fail(span, sqlstate or type(error).__name__, type(error).__name__)
