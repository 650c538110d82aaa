from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.service import Service
from chassis.testing.client import Client
from chassis.testing.plugin import person
from support.__main__ import SERVICE, build
from support.settings import Settings
from support.testing.desk import Clock, Desk, Files


@pytest.fixture(scope="session")
def the_clock() -> Clock:
    return Clock()


@pytest.fixture
def clock(the_clock: Clock) -> Clock:
    the_clock.ahead = timedelta(0)
    return the_clock


@pytest.fixture(scope="session")
def service(the_clock: Clock) -> Service[Settings]:
    return replace(SERVICE, build=partial(build, now=the_clock))


@pytest.fixture
def own_settings(tmp_path: Path, clock: Clock) -> Mapping[str, Any]:
    return {
        "attachments_folder": tmp_path / "attachments",
        "smtp_url": "smtp://127.0.0.1",
        "mail_from": "NeoForge <no-reply@example.test>",
    }


@pytest.fixture(scope="session")
def oskar() -> Caller:
    """A customer beside Mara."""
    return person(4)


@pytest.fixture(scope="session")
def rita() -> Caller:
    """An agent beside Tomas."""
    return person(5, "agent")


@pytest.fixture
def desk(call: Client) -> Desk:
    return Desk(call)


async def refusal(doing: Awaitable[Any]) -> str:
    """Give the reason why it was refused."""
    with pytest.raises(RemoteError) as refused:
        await doing
    return refused.value.reason


@pytest.fixture
def refused() -> Callable[[Awaitable[Any]], Awaitable[str]]:
    return refusal


@pytest.fixture
def files(call: Client) -> Files:
    return Files(call)
