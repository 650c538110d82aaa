from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.embedded.certificates import Authority
from chassis.mail.settings import MailSettings

GIVEN: dict[str, Any] = {
    "environment": "test",
    "listen": "127.0.0.1:0",
    "ops_listen": "127.0.0.1:0",
    "database_url": "postgresql://postbox:secret@127.0.0.1/neoforge",
    "cursor_secret": "0123456789abcdef0123456789abcdef",
    "smtp_url": "smtp://mail.example.test",
    "mail_from": "NeoForge <no-reply@example.test>",
}


def test_production_refuses_to_send_mail_in_the_clear(tmp_path: Path) -> None:
    own = Authority(tmp_path).issue("postbox")
    tls = {"tls_ca": own.authority, "tls_certificate": own.certificate, "tls_key": own.key}
    given = GIVEN | tls | {"environment": "production", "smtp_starttls": False}
    with pytest.raises(ValidationError, match="never goes in the clear") as refused:
        MailSettings(**given)
    assert [error["loc"] for error in refused.value.errors()] == [("smtp_starttls",)]
    assert MailSettings(**given | {"smtp_url": "smtps://mail.example.test"}).smtp_server.port == 465
    assert MailSettings(**given | {"smtp_starttls": True}).smtp_server.starttls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_url", "http://mail.example.test"),
        ("smtp_url", "smtp://"),
        ("smtp_url", "smtp://mail.example.test:x"),
        ("smtp_url", "smtp://mail.example.test/path"),
        ("mail_from", "NeoForge"),
        ("mail_from", "NeoForge <müller@example.test>"),
        ("mail_hourly_limit", 0),
    ],
)
def test_settings_that_cannot_work_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        MailSettings(**GIVEN | {name: value})
    assert [error["loc"] for error in refused.value.errors()] == [(name,)]


def test_a_login_with_signs_is_written_with_escapes_and_never_shown() -> None:
    given = GIVEN | {"smtp_url": "smtp://in%40es:p%2Fss%3A@mail.example.test:2525"}
    told = MailSettings(**given)
    server = told.smtp_server
    assert (server.user, server.password, server.host, server.port) == ("in@es", "p/ss:", "mail.example.test", 2525)
    assert "p/ss" not in repr(told) + repr(server)
    assert "p%2Fss" not in repr(told)
