from collections.abc import Mapping
from typing import Any

import pytest

from chassis.service import Service
from chassis.testing.plugin import PASSWORD
from projects.__main__ import SERVICE
from projects.settings import Settings


@pytest.fixture(scope="session")
def service() -> Service[Settings]:
    return SERVICE


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return {
        "webhook_secret_key": PASSWORD,
        "webhook_allowed_networks": "127.0.0.0/8",
        "smtp_url": "smtp://127.0.0.1:9",  # nobody listens there; tests of mails say otherwise
        "smtp_starttls": False,
        "mail_from": "NeoForge <no-reply@example.test>",
        "invitation_secret": PASSWORD,
        "invitation_url": "https://forge.example.test/invitations#{token}",
    }
