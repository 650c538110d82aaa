import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from chassis import database as module
from chassis import database_spans
from chassis.database import Connection, Database, Statement, statement
from chassis.errors import DeadlineExceeded, Unavailable
from chassis.testing.conventions import deviations
from chassis.testing.spans import Spans
from chassis.testing.waiting import until

THINGS = sa.Table("things", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))
INSERT = statement(sa.insert(THINGS).values(id=sa.bindparam("id"), name=None), "INSERT things")
COUNT = statement(sa.select(sa.func.count().label("total")).select_from(THINGS), "COUNT things")
LOCK = statement(sa.select(THINGS.c.id).where(THINGS.c.id == 1).with_for_update(), "SELECT things")


def sql(text: str) -> Statement:
    return statement(sa.text(text), "TEST")


PID = sql("SELECT pg_backend_pid() AS pid")


@pytest.fixture
async def things(pool: Database) -> Database:
    async with pool.connection() as connection:
        await connection.execute(sql("CREATE TABLE things (id int PRIMARY KEY, name text)"))
        await connection.execute(INSERT, id=1)
    return pool


async def total(database: Database) -> int:
    async with database.connection() as connection:
        return int((await connection.one(COUNT)).total)


def free(database: Database) -> bool:
    stats = database._pool.get_stats()
    return stats["pool_available"] == stats["pool_size"]


def test_a_statement_keeps_its_constants_null_included_and_leaves_its_parameters_open() -> None:
    assert INSERT.constants == {"name": None}


def test_a_statement_whose_text_depends_on_its_values_is_refused() -> None:
    with pytest.raises(TypeError, match="= ANY"):
        statement(sa.select(THINGS.c.id).where(THINGS.c.id.in_(sa.bindparam("ids", expanding=True))), "SELECT things")


async def test_a_percent_sign_in_a_statement_is_a_percent_sign(pool: Database) -> None:
    async with pool.connection() as connection:
        assert (await connection.one(sql("SELECT 'a%b' LIKE 'a%%' AS alike, 7 % 4 AS rest"))) == (True, 3)
        bound = statement(sa.select(sa.literal("100 %").label("full")), "x")
        assert (await connection.one(bound)).full == "100 %"


async def test_what_fails_midway_is_undone_and_what_waited_for_the_commit_is_not_called(things: Database) -> None:
    called: list[str] = []

    async def write(outcome: str) -> None:
        async with things.transaction() as tx:
            await tx.execute(INSERT, id=2)
            tx.after_commit(lambda: called.append(outcome))
            assert called == []
            if outcome == "undone":
                raise RuntimeError

    with pytest.raises(RuntimeError):
        await write("undone")
    assert (await total(things), called) == (1, [])
    await write("done")
    assert (await total(things), called) == (2, ["done"])


async def test_a_cancelled_transaction_is_undone_and_its_connection_goes_back(things: Database) -> None:
    inside = asyncio.Event()

    async def write(number: int) -> None:
        async with things.transaction() as tx:
            await tx.execute(INSERT, id=number)
            inside.set()
            await tx.one(sql("SELECT pg_sleep(60)"))

    for number in range(2, 7):  # more often than there are connections
        inside.clear()
        writing = asyncio.create_task(write(number))
        await until(inside.is_set)
        writing.cancel()
        await asyncio.sleep(0)
        writing.cancel()  # and once more, while the first is being dealt with
        with pytest.raises(asyncio.CancelledError):
            await writing
    await until(lambda: free(things))
    assert await total(things) == 1


async def named(database: Database, act: Callable[[Connection], Any]) -> BaseException:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one it is, is the question
        async with database.transaction() as tx:
            await act(tx)
    return raised.value


async def test_failures_of_the_database_have_names_of_their_own(things: Database, fresh_url: str) -> None:
    slow = sql("SELECT pg_sleep(60)")

    async def slowly(tx: Connection) -> None:
        await tx.execute(sql("SET LOCAL statement_timeout = 20"))
        await tx.one(slow)

    async def killed(tx: Connection) -> None:
        await tx.one(sql("SELECT pg_terminate_backend(pg_backend_pid())"))

    async def locked(tx: Connection) -> None:
        await tx.one(LOCK)

    async def serialized(tx: Connection) -> None:
        await tx.execute(sql("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))

    async def read_only(tx: Connection) -> None:
        await tx.execute(sql("SET TRANSACTION READ ONLY"))
        await tx.execute(INSERT, id=5)

    async def doubled(tx: Connection) -> None:
        await tx.execute(INSERT, id=1)

    async def beyond(tx: Connection) -> None:
        await tx.execute(sql("DO $$ BEGIN RAISE SQLSTATE '54000'; END $$"))

    assert isinstance(await named(things, slowly), DeadlineExceeded)
    assert isinstance(await named(things, killed), Unavailable)
    assert isinstance(await named(things, serialized), Unavailable)
    assert isinstance(await named(things, read_only), Unavailable)
    async with await psycopg.AsyncConnection.connect(fresh_url) as holder:
        await holder.execute("SELECT FROM things WHERE id = 1 FOR UPDATE")
        assert "another change" in str(await named(things, locked))
    # A bug of ours keeps its own name, for the log.
    assert isinstance(await named(things, doubled), psycopg.errors.UniqueViolation)
    assert isinstance(await named(things, beyond), psycopg.errors.ProgramLimitExceeded)
    await until(lambda: free(things))
    assert await total(things) == 1


async def test_one_dead_connection_has_the_others_looked_after_before_a_call_meets_them(
    things: Database, fresh_url: str
) -> None:
    async with things.connection() as one, things.connection() as other:
        pids = [(await one.one(PID)).pid, (await other.one(PID)).pid]
    async with await psycopg.AsyncConnection.connect(fresh_url, autocommit=True) as admin:
        for pid in pids:
            await admin.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(Unavailable):
        await total(things)
    assert things._check is not None
    await things._check
    for _ in range(4):
        assert await total(things) == 1


async def test_while_the_database_is_known_to_be_away_calls_do_not_wait_long(
    things: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_WAIT_WHILE_AWAY_S", 0.01)
    monkeypatch.setattr(module, "_WAIT_S", 60.0)
    async with things.connection(), things.connection():  # the pool is empty, as in an outage
        with monkeypatch.context() as outage:
            outage.setattr(things, "_url", "postgresql://127.0.0.1:1/nowhere")
            with pytest.raises(Unavailable):
                await things.ping(5)
        with pytest.raises(Unavailable, match="no database connection was free in time"):
            await total(things)
    await things.ping(5)
    assert await total(things) == 1


async def test_a_statement_in_a_recorded_call_is_a_span_that_shows_no_value(things: Database, spans: Spans) -> None:
    await total(things)
    assert spans.made() == []  # no call, no span
    with spans.cause():
        await total(things)
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with things.connection() as connection:
                await connection.execute(INSERT, id=1)
    counted, inserted = spans.made()
    assert (counted.name, counted.failed) == ("COUNT things", False)
    assert inserted.attributes["db.query.text"] == INSERT.sql.decode()
    assert inserted.attributes["db.response.status_code"] == "23505"
    assert inserted.failed
    assert [*deviations(counted), *deviations(inserted)] == []


async def test_a_commit_is_a_span_and_what_is_rolled_back_has_none(things: Database, spans: Spans) -> None:
    with spans.cause():
        async with things.transaction() as tx:
            await tx.execute(INSERT, id=7)
        with pytest.raises(psycopg.errors.UniqueViolation):
            async with things.transaction() as tx:
                await tx.execute(INSERT, id=7)
    assert [span.name for span in spans.made()] == ["INSERT things", "COMMIT", "INSERT things"]
    assert [fault for span in spans.made() for fault in deviations(span)] == []


async def test_a_commit_that_fails_is_a_span_with_the_error(things: Database, spans: Spans) -> None:
    async with things.connection() as connection:
        await connection.execute(sql("CREATE TABLE parts (thing int REFERENCES things DEFERRABLE INITIALLY DEFERRED)"))
    with spans.cause(), pytest.raises(psycopg.errors.ForeignKeyViolation):
        async with things.transaction() as tx:
            await tx.execute(sql("INSERT INTO parts VALUES (99)"))
    *_, committed = spans.made()
    assert (committed.name, committed.failed) == ("COMMIT", True)
    assert committed.attributes["error.type"] == "23503"


async def test_a_wait_for_a_connection_is_a_span_and_having_one_at_once_is_none(
    things: Database, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    with spans.cause():
        monkeypatch.setattr(database_spans, "_WORTH_A_SPAN_S", 3600)
        await total(things)
        monkeypatch.setattr(database_spans, "_WORTH_A_SPAN_S", 0.0001)
        async with contextlib.AsyncExitStack() as at_work:
            for _ in range(things._pool.max_size):
                await at_work.enter_async_context(things.connection())
            already = len(spans.made())
            asked = asyncio.create_task(total(things))
            await until(lambda: things._pool.get_stats().get("requests_waiting"))
        assert await asked == 1
        monkeypatch.setattr(module, "_WAIT_S", 0.01)
        async with contextlib.AsyncExitStack() as at_work:
            for _ in range(things._pool.max_size):
                await at_work.enter_async_context(things.connection())
            with pytest.raises(Unavailable):
                await total(things)
    made = spans.made()
    assert made[0].name == "COUNT things"
    assert [span.name for span in made[already : already + 2]] == ["wait for a connection", "COUNT things"]
    assert (made[-1].name, made[-1].attributes["error.type"]) == ("wait for a connection", "PoolTimeout")
    assert {fault for span in made for fault in deviations(span)} == set()


async def test_a_pool_whose_connections_are_all_at_work_is_no_database_that_is_away(pool: Database) -> None:
    async with contextlib.AsyncExitStack() as at_work:
        for _ in range(pool._pool.max_size):
            await at_work.enter_async_context(pool.connection())
        await pool.ping(5)
    async with pool.connection() as connection:
        assert await connection.one(PID)
