import sys
from pathlib import Path
from typing import Any

import pytest

from chassis.service import Service

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service[Any]:
    from probe.__main__ import SERVICE  # noqa: PLC0415 - its folder is on the path only now

    return SERVICE
