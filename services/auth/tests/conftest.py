from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from auth.__main__ import SERVICE, build
from auth.settings import Settings
from auth.testing import People
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.plugin import PASSWORD


class Clock:
    """A clock that tests move on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_time(self, **length: float) -> None:
        self.ahead += timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return {
        "auth_secret": PASSWORD,
        "token_issuer": "https://forge.example.test",
        "token_audience": "neoforge",
        "smtp_url": "smtp://127.0.0.1:9",  # nobody listens there
        "smtp_starttls": False,
        "mail_from": "NeoForge <no-reply@example.test>",
    }


@pytest.fixture
def running_service(service: Service[Settings], clock: Clock) -> Service[Settings]:
    return replace(service, build=partial(build, now=clock))


@pytest_asyncio.fixture
async def running(running_service: Service[Settings], settings: Any) -> AsyncIterator[RunningService[Settings]]:
    server = RunningService(running_service, settings)
    await server.start()
    yield server
    await server.stop(grace_s=1)


@pytest.fixture
def people(call: Client, house: Any, clock: Clock) -> People:
    return People(call, house, clock)
