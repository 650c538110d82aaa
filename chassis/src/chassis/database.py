"""PostgreSQL: statements are built by SQLAlchemy Core, compiled once, and run prepared on psycopg's async pool.

Connections are in autocommit, so that one read is one round trip; what must hold together runs in `transaction()`.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement

from chassis import metrics
from chassis.errors import DeadlineExceeded, Unavailable
from chassis.settings import ServiceSettings
from chassis.telemetry import tracer

log = logging.getLogger(__name__)

_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy's dialects have no annotations
_CONNECT_TIMEOUT_S: Final = 3
_RECONNECT_TIMEOUT_S: Final = 5.0
"""How long the pool tries before it gives a slot up; the next caller starts it afresh, so back-off never grows long."""


@dataclass(frozen=True)
class Statement:
    """A compiled statement: its SQL in psycopg's `%(name)s` form and the values that are part of it."""

    sql: str
    constants: Mapping[str, Any]
    summary: str
    """Operation and table, such as `SELECT projects`: what the span is called."""


def statement(clause: ClauseElement, summary: str) -> Statement:
    """Compile a Core statement once, for the life of the process; unbound parameters are given when it runs."""
    compiled = clause.compile(dialect=_DIALECT)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return Statement(str(compiled), constants, summary)


class Connection:
    """Runs statements on one connection; rows are named tuples."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def one(self, compiled: Statement, **parameters: Any) -> Any:
        """Give the only row, or None."""
        return await (await self._run(compiled, parameters)).fetchone()

    async def all(self, compiled: Statement, **parameters: Any) -> list[Any]:
        """Give all rows."""
        return await (await self._run(compiled, parameters)).fetchall()

    async def execute(self, compiled: Statement, **parameters: Any) -> int:
        """Give how many rows were written."""
        return (await self._run(compiled, parameters)).rowcount

    async def _run(self, compiled: Statement, parameters: Mapping[str, Any]) -> psycopg.AsyncCursor[Any]:
        values = {**compiled.constants, **parameters}
        # What is run is what `statement` compiled from Core: never text put together from input.
        query = compiled.sql.encode()
        if not trace.get_current_span().is_recording():
            return await self._connection.execute(query, values)
        with tracer.start_as_current_span(
            compiled.summary,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.query.summary": compiled.summary,
                "db.query.text": compiled.sql,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return await self._connection.execute(query, values)
            except psycopg.Error as error:
                span.set_attribute("db.response.status_code", error.sqlstate or "")
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


class Database:
    """A service's own schema, through a pool of connections as its run-time role."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        statement_timeout_ms: int = 5_000,
        lock_timeout_ms: int = 2_000,
        application_name: str = "neoforge",
    ) -> None:
        self._wait_s = 5.0
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            open=False,
            min_size=min(2, pool_size),
            max_size=pool_size,
            timeout=self._wait_s,
            reconnect_timeout=_RECONNECT_TIMEOUT_S,
            kwargs={
                "autocommit": True,
                "row_factory": namedtuple_row,
                "prepare_threshold": 1,
                "application_name": application_name,
                "connect_timeout": _CONNECT_TIMEOUT_S,
                "options": f"-c statement_timeout={statement_timeout_ms} -c lock_timeout={lock_timeout_ms}"
                " -c idle_in_transaction_session_timeout=60000",
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )

    @classmethod
    def of(cls, settings: ServiceSettings, name: str) -> "Database":
        """Make the database that the settings of service `name` describe."""
        return cls(
            settings.database_url.get_secret_value(),
            pool_size=settings.database_pool_size,
            statement_timeout_ms=settings.database_statement_timeout_ms,
            lock_timeout_ms=settings.database_lock_timeout_ms,
            application_name=name,
        )

    async def open(self) -> None:
        """Start the pool; a database that is away is reached when it is back."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Give the connections up."""
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit: each statement stands for itself.

        Raises:
            Unavailable: the database does not answer, or a lock was not had in time.
            DeadlineExceeded: a statement ran into its time limit.
        """
        with _named_failures():
            async with self._pool.connection() as connection:
                yield Connection(connection)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction: all of it happens, or nothing.

        Raises:
            Unavailable: the database does not answer, or a lock was not had in time; nothing happened.
            DeadlineExceeded: a statement ran into its time limit; nothing happened.
        """
        with _named_failures():
            async with self._pool.connection() as connection, connection.transaction():
                yield Connection(connection)

    async def ping(self, timeout_s: float) -> None:
        """Ask the database for an answer within `timeout_s`, and have dead connections of the pool replaced.

        Raises:
            psycopg.Error: there is none.
        """
        async with self._pool.connection(timeout=timeout_s) as connection:
            await connection.execute("SELECT 1")

    async def discard_dead(self) -> None:
        """Have every idle connection tried, and the dead ones replaced: after an outage all of them are."""
        await self._pool.check()

    def observe(self) -> None:
        """Write the pool's use to the metrics."""
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        metrics.database_pool.labels("idle").set(idle)
        metrics.database_pool.labels("used").set(stats.get("pool_size", 0) - idle)


@contextlib.contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled as slow:
        raise DeadlineExceeded("the database took too long") from slow
    except PoolTimeout as busy:
        raise Unavailable("no database connection was free in time") from busy
    except psycopg.OperationalError as away:
        raise Unavailable("the database does not answer") from away
