from collections.abc import Iterator

import pytest
from tests.ops.watching import PROGRAMS, Prometheus, watched

from chassis.testing.programs import need
from devstack.testing import Stack


@pytest.fixture(scope="session")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus beside the stack."""
    need(*PROGRAMS)
    with watched(stack, tmp_path_factory.mktemp("prometheus")) as running:
        yield running
