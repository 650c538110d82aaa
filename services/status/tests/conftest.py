from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.service import Service
from chassis.testing.client import Client
from chassis.testing.plugin import PASSWORD
from status.__main__ import SERVICE, build
from status.settings import Settings
from status.testing import Board, Clock


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
def own_settings(clock: Clock) -> Mapping[str, Any]:
    return {
        "webhook_secret_key": PASSWORD,
        "webhook_allowed_networks": "127.0.0.0/8",
        "smtp_url": "smtp://127.0.0.1:9",  # nobody listens there; tests of mails say otherwise
        "smtp_starttls": False,
        "mail_from": "NeoForge <no-reply@example.test>",
        "subscription_secret": PASSWORD,
        "subscription_url": "https://forge.example.test/api/v1/status/subscriptions/{token}",
        "status_page_url": "https://status.example.test/",
    }


@pytest.fixture
def board(call: Client, ines: Caller, clock: Clock) -> Board:
    return Board(call, ines, clock)


async def refusal(doing: Awaitable[Any]) -> str:
    """Give the reason why it was refused."""
    with pytest.raises(RemoteError) as refused:
        await doing
    return refused.value.reason


@pytest.fixture
def refused() -> Callable[[Awaitable[Any]], Awaitable[str]]:
    return refusal
