import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chassis.embedded.redis import Redis
from chassis.house import House
from chassis.service import Service

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

from probe.processes import Effects, WorkerProcess  # noqa: E402 - its folder is on the path only now


@pytest.fixture(scope="session")
def service() -> Service[Any]:
    from probe.__main__ import SERVICE  # noqa: PLC0415 - as above

    return SERVICE


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis that a test may flush and restart."""
    with Redis(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def worker(settings: Any, redis: Redis, tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts worker processes of the probe service."""
    started: list[WorkerProcess] = []

    def start(*arguments: str, **environment: str) -> WorkerProcess:
        log = tmp_path / f"worker-{len(started)}.log"
        started.append(WorkerProcess(settings, redis.url, log, arguments, environment))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def effects(house: House[Any]) -> Effects:
    return Effects(house)
