from collections.abc import Iterator

import pytest
from tests.ops.watching import PROGRAMS, Prometheus, need, watched

from devstack.testing import WITH_ALL, Stack


@pytest.fixture(scope="session")
def prometheus(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus beside the stack."""
    need(*PROGRAMS)
    with watched(stack, tmp_path_factory.mktemp("prometheus"), WITH_ALL) as running:
        yield running
