import pytest

from chassis.testing.admission import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()
