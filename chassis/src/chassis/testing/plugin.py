"""The pytest plugin: a test gets a real PostgreSQL, a real Redis, real certificates and a real server on port 0.

A service's tests say which service they are about, in their conftest:

    @pytest.fixture(scope="session")
    def service() -> Service[Settings]:
        return SERVICE

and get `running`, that service in a fresh database of its own, and `call`, which calls it as a person:

    async def test_a_project_can_be_read_by_its_owner(call, ines):
        made = await call(ines, "CreateProject", pb.CreateProjectRequest(name="Apollo"))
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import settings as property_tests

from chassis import telemetry
from chassis.database import Database
from chassis.embedded.certificates import Authority, Identity
from chassis.embedded.postgresql import FORGETFUL, PostgreSQL, create_database, create_service, url_of
from chassis.embedded.redis import Redis
from chassis.house import House
from chassis.identity import Caller
from chassis.migrations import runner
from chassis.service import RunningService, Service
from chassis.settings import Environment, Tls
from chassis.testing.client import Client
from chassis.testing.jobs import JobRunner
from chassis.testing.otlp import OtlpReceiver
from chassis.testing.spans import Spans

# How long an example takes says how busy the machine is, and nothing about the code.
property_tests.register_profile("without deadline", deadline=None)
property_tests.load_profile("without deadline")

PASSWORD = "only-for-tests-0123456789abcdef-0123456789"  # noqa: S105 - not a secret: of databases that live as long as a test


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    """A PostgreSQL server of this test process; each test makes its own database in it."""
    with PostgreSQL(tmp_path_factory.mktemp("postgresql"), settings=FORGETFUL) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server of this test process."""
    with Redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that all parties of a test trust."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def otlp() -> Iterator[OtlpReceiver]:
    """An OTLP endpoint that keeps what it is sent."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def template(postgresql: PostgreSQL) -> Callable[[Service[Any]], str]:
    """Gives the name of a database with a service's roles and its migrated schema, to be copied."""
    return templates(postgresql)


def templates(postgresql: PostgreSQL) -> Callable[[Service[Any]], str]:
    """Give what `template` is, of another server."""

    @cache
    def made(name: str, versions: Path, tables: sa.MetaData) -> str:
        database = f"{name}_template"
        url = create_database(postgresql.admin_url, database)
        create_service(url, name, PASSWORD, PASSWORD)
        runner.upgrade(url_of(url, user=f"{name}_owner", password=PASSWORD), versions, tables)
        return database

    return lambda service: made(service.name, service.migrations, service.tables)


@dataclass(frozen=True)
class Logins:
    """The URLs of one database: as the superuser, as the schema's owner, as the service's run-time role."""

    admin: str
    owner: str
    service: str

    @property
    def database(self) -> str:
        """The database's name."""
        return urlsplit(self.admin).path[1:]


def logins(admin_url: str, database: str, service: str) -> Logins:
    """Give the URLs of `database` for the roles of `service`."""
    return Logins(
        admin=url_of(admin_url, database=database),
        owner=url_of(admin_url, database=database, user=f"{service}_owner", password=PASSWORD),
        service=url_of(admin_url, database=database, user=service, password=PASSWORD),
    )


@pytest.fixture
def database(
    postgresql: PostgreSQL, template: Callable[[Service[Any]], str], service: Service[Any]
) -> Iterator[Logins]:
    """A fresh database with the service's migrated schema, for one test."""
    with fresh_database(postgresql, template, service) as made:
        yield made


@contextmanager
def fresh_database(
    postgresql: PostgreSQL, template: Callable[[Service[Any]], str], service: Service[Any]
) -> Iterator[Logins]:
    """Make what `database` is, for as long as the caller wants it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template(service)}".encode())
    yield logins(postgresql.admin_url, name, service.name)
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    """What the service under test is told beyond what every service is; its tests say so in their conftest."""
    return {}


@pytest.fixture
def settings(service: Service[Any], database: Logins, authority: Authority, own_settings: Mapping[str, Any]) -> Any:
    """The settings of the service under test; a test changes them by `settings.model_copy(update=...)`."""
    return settings_of(service, database, authority, own_settings)


def settings_of(service: Service[Any], database: Logins, authority: Authority, own: Mapping[str, Any]) -> Any:
    """Give what `settings` are, of any database."""
    identity = authority.issue(service.name)
    return service.settings(
        environment=Environment.TEST,
        listen="127.0.0.1:0",
        ops_listen="127.0.0.1:0",
        tls_ca=identity.authority,
        tls_certificate=identity.certificate,
        tls_key=identity.key,
        database_url=database.service,
        farewell_s=0,
        database_pool_size=5,
        cursor_secret=PASSWORD,
        **own,
    )


@pytest_asyncio.fixture
async def house(service: Service[Any], settings: Any) -> AsyncIterator[House[Any]]:
    """What the service's code stands on, for tests of its store and its jobs."""
    database = Database.of(settings, service.name)
    await database.open()
    made = service.house(settings, database)
    yield made
    await made.outbox.close()
    await database.close()


@pytest.fixture
def run_jobs(service: Service[Any], house: House[Any]) -> JobRunner:
    """Runs what is due of the jobs of the service under test when awaited as `run_jobs()`."""
    return JobRunner(service, house)


@pytest_asyncio.fixture
async def running(service: Service[Any], settings: Any) -> AsyncIterator[RunningService[Any]]:
    """The service under test, serving on a port of its own."""
    server = RunningService(service, settings)
    await server.start()
    yield server
    await server.stop(grace_s=1)


def tls_of(identity: Identity) -> Tls:
    """Give the files of an identity as the chassis wants them."""
    return Tls(identity.authority, identity.certificate, identity.key)


@pytest_asyncio.fixture
async def call(running: RunningService[Any], service: Service[Any], authority: Authority) -> AsyncIterator[Client]:
    """Calls the service under test as the gateway does."""
    async with Client(f"127.0.0.1:{running.port}", tls_of(authority.issue("gateway")), service.descriptors) as client:
        yield client


def person(number: int, *roles: str) -> Caller:
    """Give a person with a fixed id."""
    return Caller(
        subject=UUID(f"018f0000-0000-7000-8000-{number:012d}"),
        roles=frozenset({"user", *roles}),
        session=f"session-{number}",
        address="192.0.2.1",
    )


@pytest.fixture(scope="session")
def ines() -> Caller:
    """An administrator."""
    return person(1, "admin")


@pytest.fixture(scope="session")
def tomas() -> Caller:
    """A support agent."""
    return person(2, "agent")


@pytest.fixture(scope="session")
def mara() -> Caller:
    """A user without any other role."""
    return person(3)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    """What is made with `telemetry.calling` in a test's own process, inside `spans.cause()`."""
    made = Spans()
    monkeypatch.setattr(telemetry, "tracer", made.tracer)
    return made
