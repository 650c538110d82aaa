import pytest

from chassis.service import Service
from community.__main__ import SERVICE
from community.settings import Settings


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE
