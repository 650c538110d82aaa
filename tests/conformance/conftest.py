"""One suite for every service: a service is in it by the file tests/specimen.py in its folder."""

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from chassis.embedded.certificates import Authority
from chassis.service import RunningService, Service
from chassis.testing.acting import Actor, Rows
from chassis.testing.client import Client
from chassis.testing.plugin import Logins, tls_of
from chassis.testing.process import ServiceProcess, environment
from chassis.testing.specimen import Specimen

ROOT = Path(__file__).parents[2]


def specimen_in(path: Path) -> Specimen:
    spec = importlib.util.spec_from_file_location(f"specimen_{path.parts[-3]}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Specimen = module.SPECIMEN
    return made


SPECIMENS = [specimen_in(path) for path in sorted((ROOT / "services").glob("*/tests/specimen.py"))]


@pytest.fixture(scope="session", params=SPECIMENS, ids=lambda specimen: specimen.service.name)
def specimen(request: pytest.FixtureRequest) -> Specimen:
    given: Specimen = request.param
    return given


@pytest.fixture(scope="session")
def service(specimen: Specimen) -> Service[Any]:
    return specimen.service


@pytest.fixture
def own_settings(specimen: Specimen) -> Mapping[str, Any]:
    return specimen.settings


@pytest.fixture
def database(database: Logins, specimen: Specimen) -> Logins:
    if specimen.rows:
        with psycopg.connect(database.admin) as admin:
            admin.execute(specimen.rows.encode())
    return database


@pytest.fixture
def act(call: Client, specimen: Specimen) -> Actor:
    return Actor(call, specimen)


@pytest_asyncio.fixture
async def connect(
    service: Service[Any], specimen: Specimen, authority: Authority
) -> AsyncIterator[Callable[..., Actor]]:
    """Gives an actor on some port, vouched for by the gateway's certificate."""
    async with AsyncExitStack() as clients:

        def made(port: int, name: str = "gateway") -> Actor:
            client = Client(f"127.0.0.1:{port}", tls_of(authority.issue(name)), service.descriptors)
            clients.push_async_exit(client)
            return Actor(client, specimen)

        yield made


@pytest_asyncio.fixture
async def serve(settings: Any) -> AsyncIterator[Callable[..., Any]]:
    """Starts further servers of a service, or one that was tampered with, on the test's database."""
    servers: list[RunningService[Any]] = []

    async def start(service: Service[Any], **changes: Any) -> RunningService[Any]:
        server = RunningService(service, settings.model_copy(update=changes))
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop(grace_s=1)


@pytest.fixture
def start_process(service: Service[Any], settings: Any) -> Iterator[Callable[..., ServiceProcess]]:
    """Starts the service as a process of its own on the test's database; further variables by keyword."""
    processes: list[ServiceProcess] = []

    def start(verb: str = "serve", **variables: str) -> ServiceProcess:
        process = ServiceProcess(service.name, verb, environment(settings) | variables)
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            pass


@pytest.fixture
def rows(database: Logins, specimen: Specimen) -> Rows:
    return Rows(database.admin, specimen)
