import pytest

from chassis.service import Service
from projects.__main__ import SERVICE
from projects.settings import Settings


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE
