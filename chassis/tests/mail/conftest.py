import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chassis.embedded.certificates import Authority
from chassis.service import Service
from devstack.mailcatcher.catcher import Catcher
from devstack.mailcatcher.smtp import Certificate

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def service() -> Service[Any]:
    from postbox.__main__ import SERVICE  # noqa: PLC0415 - its folder is on the path only now

    return SERVICE


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Certificate:
    identity = authority.issue("mail")
    return Certificate(identity.certificate, identity.key)


@pytest_asyncio.fixture
async def catcher(tmp_path: Path, certificate: Certificate) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path, certificate) as running:
        yield running


@pytest.fixture
def own_settings(catcher: Catcher, authority: Authority) -> Mapping[str, Any]:
    return {
        "smtp_url": f"smtp://127.0.0.1:{catcher.smtp_port}",
        "smtp_ca": authority.issue("mail").authority,
        "mail_from": "NeoForge <no-reply@example.test>",
        "mail_hourly_limit": 3,
    }
