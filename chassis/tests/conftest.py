import logging
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from chassis import redaction
from chassis.database import Database
from chassis.embedded.postgresql import PostgreSQL, url_of
from chassis.known_secrets import KnownSecrets


@pytest.fixture(autouse=True)
def no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each test begin without the secrets of those before: a password may be a word that is looked for."""
    monkeypatch.setattr(redaction, "known", KnownSecrets())


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Take away what a test has set up of logging: it writes to streams that end with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def fresh_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The administrator's URL of an empty database."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    yield url_of(postgresql.admin_url, database=name)
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest_asyncio.fixture
async def pool(fresh_url: str) -> AsyncIterator[Database]:
    """A pool of two connections to an empty database."""
    database = Database(fresh_url, pool_size=2, lock_timeout_ms=100)
    await database.open()
    yield database
    await database.close()
