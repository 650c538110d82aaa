import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from chassis.house import House
from chassis.service import Service
from chassis.testing.jobs import JobRunner
from chassis.testing.plugin import PASSWORD, Logins
from chassis.testing.receiver import Receiver
from chassis.webhooks.settings import WebhookSettings

if TYPE_CHECKING:
    from hooked.owner import Owner

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service[Any]:
    from hooked.service import SERVICE  # noqa: PLC0415 - its folder is on the path only now

    return SERVICE


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return {"webhook_secret_key": PASSWORD, "webhook_allowed_networks": "127.0.0.0/8", "webhook_timeout_s": 5}


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest.fixture
def owner(house: House[WebhookSettings], run_jobs: JobRunner) -> "Owner":
    from hooked.owner import Owner  # noqa: PLC0415 - as above
    from hooked.service import WEBHOOKS  # noqa: PLC0415 - as above

    return Owner(house, WEBHOOKS.of(house), run_jobs, uuid4())


@pytest.fixture
def stored(database: Logins) -> Callable[[str], list[Any]]:
    """Runs SQL as the superuser."""

    def run(sql: str) -> list[Any]:
        with psycopg.connect(database.admin, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    return run
