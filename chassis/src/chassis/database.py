"""PostgreSQL: statements are built by SQLAlchemy Core, compiled once, and run prepared on psycopg's async pool.

Connections are in autocommit, so that one read is one round trip; what must hold together runs in `transaction()`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from opentelemetry import trace
from psycopg.rows import namedtuple_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from chassis import service_metrics
from chassis.database_spans import DatabaseSpans
from chassis.errors import DeadlineExceeded, DomainError, Unavailable
from chassis.settings import ServiceSettings

_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call] # SQLAlchemy's dialects have no annotations
PLANNER: Final = "-c enable_seqscan=off -c random_page_cost=1.1 -c jit=off"
"""How queries are planned: by an index wherever there is one. Each is meant to have its own, but statistics lag after a
bulk load, and what is frequent in a table may lie at its end, where a scan that hopes to stop early comes last. Pages
are in memory or on a disk without moving parts. And no query here lives long enough to repay its compilation.
"""
_CONNECT_TIMEOUT_S: Final = 3
_WAIT_S: Final = 5.0
"""How long a call waits for a connection of the pool to come free."""
_WAIT_WHILE_AWAY_S: Final = 0.5
"""How long it waits when the database did not answer the last time it was asked."""
_RECONNECT_TIMEOUT_S: Final = 5.0
"""How long the pool tries before it gives a slot up; the next caller starts it afresh, so back-off never grows long."""


@dataclass(frozen=True)
class Statement:
    """A compiled statement: its SQL (UTF-8) in psycopg's `%(name)s` form and the values that are part of it."""

    sql: bytes
    constants: Mapping[str, Any]
    summary: str
    """Operation and table, such as `SELECT projects`: what the span is called."""
    prepared: bool | None = None
    """False: planned for its values each time, where a plan for any values would be a bad one; costs some 0.2 ms."""


def statement(clause: ClauseElement, summary: str, *, prepared: bool | None = None) -> Statement:
    """Compile a Core statement once, for the life of the process; unbound parameters are given when it runs."""
    compiled = clause.compile(dialect=_DIALECT)
    if not isinstance(compiled, SQLCompiler) or compiled.post_compile_params:
        raise TypeError(f"{summary} cannot be compiled once: give an IN its list as an array, `= ANY (...)`")
    open_ones = {name for name, bind in compiled.binds.items() if bind.required}
    constants = {name: value for name, value in compiled.params.items() if name not in open_ones}
    return Statement(str(compiled).encode(), constants, summary, prepared)


class Connection:
    """Runs statements on one connection; rows are named tuples."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], spans: DatabaseSpans) -> None:
        self._connection = connection
        self._spans = spans
        self._after_commit: list[Callable[[], None]] = []

    def after_commit(self, act: Callable[[], None]) -> None:
        """Have `act` called once what was written is committed; never when it is not."""
        if act not in self._after_commit:
            self._after_commit.append(act)

    def committed(self) -> None:
        """Call what waits for the commit."""
        for act in self._after_commit:
            act()

    async def one(self, compiled: Statement, /, **parameters: Any) -> Any:
        """Give the only row, or None."""
        return await (await self._run(compiled, parameters)).fetchone()

    async def all(self, compiled: Statement, /, **parameters: Any) -> list[Any]:
        """Give all rows."""
        return await (await self._run(compiled, parameters)).fetchall()

    async def execute(self, compiled: Statement, /, **parameters: Any) -> int:
        """Give how many rows were written."""
        return (await self._run(compiled, parameters)).rowcount

    async def _run(self, compiled: Statement, parameters: Mapping[str, Any]) -> psycopg.AsyncCursor[Any]:
        values = {**compiled.constants, **parameters}
        if not trace.get_current_span().is_recording():
            return await self._connection.execute(compiled.sql, values, prepare=compiled.prepared)
        with self._spans.statement(compiled.summary, compiled.sql.decode()):
            return await self._connection.execute(compiled.sql, values, prepare=compiled.prepared)


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
        self._answers = True
        self._check: asyncio.Task[None] | None = None
        self._probe: psycopg.AsyncConnection[Any] | None = None
        self._url = url
        self._spans = DatabaseSpans(url, application_name)
        self._options: Mapping[str, Any] = {
            "autocommit": True,
            "application_name": application_name,
            "connect_timeout": _CONNECT_TIMEOUT_S,
            "options": f"{PLANNER} -c statement_timeout={statement_timeout_ms} -c lock_timeout={lock_timeout_ms}"
            " -c idle_in_transaction_session_timeout=60000"
            # A backend whose caller was killed must not go on to hold locks.
            " -c client_connection_check_interval=1000",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        }
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            url,
            open=False,
            min_size=min(2, pool_size),
            max_size=pool_size,
            reconnect_timeout=_RECONNECT_TIMEOUT_S,
            kwargs={**self._options, "row_factory": namedtuple_row, "prepare_threshold": 1},
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
        if self._check is not None:
            self._check.cancel()
        await self._drop_probe()
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection in autocommit: each statement stands for itself.

        Raises:
            Unavailable: the database does not answer, or a lock was not had in time.
            DeadlineExceeded: a statement ran into its time limit.
        """
        async with self._lent() as lent:
            connection = Connection(lent, self._spans)
            yield connection
        connection.committed()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection in a transaction: all of it happens, or nothing.

        Raises:
            Unavailable: the database does not answer, or a lock was not had in time, or another transaction came in
                between; nothing happened, unless the connection was lost while COMMIT was on its way.
            DeadlineExceeded: a statement ran into its time limit; nothing happened.
        """
        async with self._lent() as lent, contextlib.AsyncExitStack() as begun:
            await begun.enter_async_context(lent.transaction())
            connection = Connection(lent, self._spans)
            yield connection
            with self._spans.statement("COMMIT", "COMMIT"):
                await begun.aclose()
        connection.committed()

    @contextlib.asynccontextmanager
    async def _lent(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        asked = time.perf_counter()
        try:
            connection = await self._pool.getconn(_WAIT_S if self._answers else _WAIT_WHILE_AWAY_S)
        except psycopg.Error as failure:
            self._spans.waited(asked, failure)
            raise _named(failure) from failure
        self._spans.waited(asked)
        try:
            yield connection
        except BaseException as failure:
            # A second cancellation must not keep the connection from going back.
            await asyncio.shield(self._give_back(connection))
            if isinstance(failure, psycopg.Error):
                raise _named(failure) from failure
            raise
        else:
            await self._pool.putconn(connection)

    async def _give_back(self, connection: psycopg.AsyncConnection[Any]) -> None:
        broken = connection.broken
        await self._pool.putconn(connection)
        if broken:
            # Where one connection is dead the others mostly are too; they are replaced before a call meets them.
            self._check_pool()

    def _check_pool(self) -> None:
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._pool.check())

    async def ping(self, timeout_s: float) -> None:
        """Ask the database for an answer within `timeout_s`.

        The question has a connection of its own: a pool whose connections are all at work is no database that is away.

        Raises:
            Unavailable: there is no answer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                if self._probe is None:
                    self._probe = await psycopg.AsyncConnection.connect(self._url, **self._options)
                await self._probe.execute("SELECT 1")
        except (psycopg.Error, OSError, TimeoutError) as failure:
            self._answers = False
            self._check_pool()  # its connections have most likely died too, and no call should be the one to find out
            await self._drop_probe()
            raise Unavailable(f"the database does not answer: {failure}") from failure
        if not self._answers:
            self._check_pool()  # most of its connections died with what was away
        self._answers = True

    async def _drop_probe(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            await probe.close()

    def observe(self) -> None:
        """Write the pool's use to the metrics."""
        stats = self._pool.get_stats()
        idle = stats.get("pool_available", 0)
        service_metrics.database_pool.labels("idle").set(idle)
        service_metrics.database_pool.labels("used").set(stats.get("pool_size", 0) - idle)
        service_metrics.database_pool_limit.set(stats.get("pool_max", 0))
        service_metrics.database_pool_waiting.set(stats.get("requests_waiting", 0))


# The first that fits counts. What is not here is a bug of ours and stays what it is, for the log.
_NAMES: Final[Sequence[tuple[tuple[type[psycopg.Error], ...], type[DomainError], str]]] = (
    ((psycopg.errors.QueryCanceled,), DeadlineExceeded, "the database took too long"),
    ((PoolTimeout,), Unavailable, "no database connection was free in time"),
    ((psycopg.errors.LockNotAvailable,), Unavailable, "another change held what this needs for too long"),
    (
        (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected),
        Unavailable,
        "another change came in between",
    ),
    (
        (
            psycopg.OperationalError,
            psycopg.errors.IdleInTransactionSessionTimeout,
            psycopg.errors.ReadOnlySqlTransaction,
        ),
        Unavailable,
        "the database does not answer",
    ),
)


def _named(failure: psycopg.Error) -> Exception:
    """Give a failure of the database its name."""
    if isinstance(failure, psycopg.errors.ProgramLimitExceeded):  # operational to psycopg, and a bug of ours
        return failure
    return next((make(message) for kinds, make, message in _NAMES if isinstance(failure, kinds)), failure)
