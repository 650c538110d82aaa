"""Doing something with a specimen's resources, and looking at their rows from outside."""

from typing import Any
from urllib.parse import urlsplit

import psycopg

from chassis.identity import Caller
from chassis.rpc.client import Reply
from chassis.testing.client import Client
from chassis.testing.specimen import Ask, Specimen


class Actor:
    """Does with the specimen what its `Ask`s say, as its maker unless another is named."""

    def __init__(self, client: Client, specimen: Specimen) -> None:
        self.client, self._specimen = client, specimen

    async def __call__(self, ask: Ask, caller: Caller | None = None, **options: Any) -> Any:
        """Give the reply's message; options as `Client.full`."""
        return (await self.full(ask, caller, **options)).message

    async def full(self, ask: Ask, caller: Caller | None = None, **options: Any) -> Reply:
        """Give the reply with its trailers."""
        return await self.client.full(caller or self._specimen.maker, *ask, **options)

    async def made(self, number: int = 1, caller: Caller | None = None, **options: Any) -> Any:
        """Make a resource and give it."""
        return self._specimen.resource(await self(self._specimen.create(number), caller, **options))


class Rows:
    """Looks at, and holds on to, the specimen's rows as the database's administrator."""

    def __init__(self, url: str, specimen: Specimen) -> None:
        self._url = url
        self._table = f"{specimen.table.schema}.{specimen.table.name}"

    async def connect(self) -> psycopg.AsyncConnection[Any]:
        """Open a connection of one's own."""
        return await psycopg.AsyncConnection.connect(self._url)

    def sql(self, text: str) -> bytes:
        """Give SQL in which {table} stands for the specimen's table and {database} for the database."""
        return text.replace("{table}", self._table).replace("{database}", urlsplit(self._url).path[1:]).encode()

    async def ask(self, sql: str, *values: Any) -> list[Any]:
        """Run SQL, as `sql` takes it, in a transaction of its own."""
        async with await self.connect() as connection:
            cursor = await connection.execute(self.sql(sql), values)
            return await cursor.fetchall() if cursor.description else []

    async def count(self) -> int:
        """Give how many resources there are."""
        return int((await self.ask("SELECT count(*) FROM {table}"))[0][0])

    async def hold_inserts(self) -> psycopg.AsyncConnection[Any]:
        """Let nothing be written to the table until the given connection is closed."""
        connection = await self.connect()
        await connection.execute(f"LOCK TABLE {self._table} IN SHARE MODE".encode())
        return connection

    async def waiting(self) -> list[int]:
        """Give the processes of the server that wait for a row or a table."""
        return await self._waiting("wait_event <> 'advisory'")

    async def waiting_for_keys(self) -> list[int]:
        """Give the processes of the server that wait for an idempotency key."""
        return await self._waiting("wait_event = 'advisory'")

    async def _waiting(self, condition: str) -> list[int]:
        active = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND "
        return [pid for (pid,) in await self.ask(active + condition)]
