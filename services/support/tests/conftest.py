import pytest

from chassis.service import Service
from support.__main__ import SERVICE
from support.settings import Settings


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE
