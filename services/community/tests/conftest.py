from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.service import Service
from chassis.testing.client import Client
from chassis.testing.plugin import person
from community.__main__ import SERVICE
from community.settings import Settings
from community.testing import Community


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def community(call: Client) -> Community:
    return Community(call)


@pytest.fixture(scope="session")
def oskar() -> Caller:
    """A user beside Mara."""
    return person(4)


@pytest.fixture
def refused() -> Callable[[Awaitable[Any]], Awaitable[RemoteError]]:
    """Gives the refusal of a call."""

    async def refusal(doing: Awaitable[Any]) -> RemoteError:
        with pytest.raises(RemoteError) as told:
            await doing
        return told.value

    return refusal
