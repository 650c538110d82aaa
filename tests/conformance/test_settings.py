"""Whatever a process is told, it starts or says what is wrong with which setting: it never ends with a traceback."""

import importlib
import os
from collections import defaultdict
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_settings import BaseSettings

from chassis.embedded.certificates import Authority
from chassis.settings import EX_CONFIG, PREFIX, MigrationSettings, ServiceSettings, for_worker, load
from gateway.settings import GatewaySettings

SERVICES = sorted(path.parent.name for path in Path(__file__).parents[2].glob("services/*/pyproject.toml"))
CLASSES: dict[str, type[BaseSettings]] = {
    **{name: for_worker(importlib.import_module(f"{name}.settings").Settings) for name in SERVICES},
    "migrate": MigrationSettings,
    "gateway": GatewaySettings,
}
SECRET = "0123456789abcdef0123456789abcdef"
GOOD = {
    "environment": "production",
    "listen": "127.0.0.1:8090",
    "ops_listen": "127.0.0.1:8091",
    "database_url": "postgresql://projects:password@localhost/neoforge",
    "migration_database_url": "postgresql://projects_owner:password@localhost/neoforge",
    "redis_url": "rediss://localhost/0",
    "cursor_secret": SECRET,
    "auth_secret": SECRET,
    "invitation_secret": SECRET,
    "subscription_secret": SECRET,
    "webhook_secret_key": SECRET,
    "invitation_url": "https://forge.example.com/invitations#{token}",
    "subscription_url": "https://forge.example.com/subscriptions/{token}",
    "status_page_url": "https://forge.example.com/status",
    "smtp_url": "smtps://mail.example.com",
    "mail_from": "NeoForge <no-reply@example.com>",
    "attachments_folder": "attachments",
    "token_issuer": "https://forge.example.com",
    "token_audience": "neoforge",
    "public_url": "https://forge.example.com",
    "projects_target": "projects:8090",
    "auth_target": "auth:8090",
    "trusted_proxies": "10.0.0.0/8",
}
WRONG = [
    *("", ",", "hunter2", "-1", "0", "1.5", "nan", "inf", "1e999", "9" * 400, "²", "\udcff", "{", "[]", "null"),
    *("http://[", "x://[:", "https://x:port/", "smtp://h:99999", "redis://h:x", "postgresql://h:x/d", "http://h\u2100"),
    *(
        "urgent=9999999999999999999,high=1,normal=1,low=1",
        "reads=0/0",
        "a=tcp://h:x",
        "10.0.0.1/8",
        "<a@",
        "development",
    ),
    *("/", "/proc/self/mem", "/dev/null/x", "/" + "a" * 5000, __file__),
]
"""Empty, of other types, broken addresses, and files: a folder, one that fails while read, none, another thing."""


OTHERS: dict[str, set[str]] = defaultdict(
    set,
    token_issuer={"passkey_origins"},
    passkey_domain={"passkey_origins"},
    tls_ca={"tls_key"},
    tls_certificate={"tls_key"},
    auth_target={"jwks_url"},
    smtp_url={"smtp_starttls"},
)
"""Where two settings do not fit, the second is named."""


@pytest.fixture(scope="session")
def good(authority: Authority) -> dict[str, str]:
    identity = authority.issue("gateway")
    tls = {"tls_ca": identity.authority, "tls_certificate": identity.certificate, "tls_key": identity.key}
    return {**GOOD, **{name: str(path) for name, path in tls.items()}}


@pytest.fixture(params=CLASSES, scope="session")
def cls(request: pytest.FixtureRequest) -> type[BaseSettings]:
    return CLASSES[request.param]


def refused(cls: type[BaseSettings], told: dict[str, str]) -> set[str]:
    """Give the settings that are named as bad."""
    named: list[str] = []

    def refuse(faults: list[tuple[str, str]]) -> None:
        named.extend(name for name, _ in faults)
        raise SystemExit(EX_CONFIG)

    variables = {f"{PREFIX}{name.upper()}": value for name, value in told.items()}
    with (
        patch.dict(os.environ, variables, clear=True),
        patch("chassis.settings.refuse", refuse),
        patch("ssl.create_default_context"),  # reads the system's authorities, 50 ms each time
    ):
        try:
            works(load(cls))
        except SystemExit:
            assert named
    assert {name.removesuffix("_FILE") for name in named} <= {f"{PREFIX}{name.upper()}" for name in cls.model_fields}
    return {name.removeprefix(PREFIX).lower() for name in named}


def works(told: BaseSettings) -> None:
    """Whatever is made of good settings can be made."""
    for name in dir(type(told)):
        if isinstance(getattr(type(told), name), property) and not name.startswith(("model_", "__")):
            getattr(told, name)


def own(cls: type[BaseSettings], told: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in told.items() if name in cls.model_fields}


def test_good_settings_are_taken(cls: type[BaseSettings], good: dict[str, str]) -> None:
    assert refused(cls, good) == set()


def test_every_setting_that_is_missing_is_named_at_once(cls: type[BaseSettings], good: dict[str, str]) -> None:
    told = {name: value for name, value in good.items() if name in cls.model_fields}
    alone = {name for name in told if name in refused(cls, {key: value for key, value in told.items() if key != name})}
    assert {name for name, field in cls.model_fields.items() if field.is_required()} <= alone
    assert alone <= refused(cls, {name: value for name, value in told.items() if name not in alone})


@pytest.mark.parametrize("path", ["/nowhere", "/", "/proc/self/mem", "/dev/null/x", "/" + "a" * 5000])
def test_every_file_of_a_setting_that_cannot_be_read_is_named(
    cls: type[BaseSettings], good: dict[str, str], path: str
) -> None:
    """Whether it holds the value of a setting or is what the setting names."""
    assert refused(cls, {f"{name}_file": path for name in cls.model_fields}) == set(cls.model_fields)
    files = {"tls_ca", "tls_certificate", "tls_key", "smtp_ca"} & cls.model_fields.keys()
    assert refused(cls, {**good, **dict.fromkeys(files, path)}) == files


def test_any_wrong_value_of_any_setting_is_taken_or_refused_by_its_name(
    cls: type[BaseSettings], good: dict[str, str]
) -> None:
    all_have = ServiceSettings.model_fields if cls is not CLASSES["community"] else {}
    for name in cls.model_fields.keys() - all_have.keys():
        for value in WRONG:
            named = refused(cls, {**good, name: value})
            assert not named or name in named or OTHERS[name] & named, (name, value, named)


@settings(derandomize=True, deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_wrong_values_together_end_in_no_traceback(
    cls: type[BaseSettings], good: dict[str, str], data: st.DataObject
) -> None:
    names = st.sampled_from([f"{name}{suffix}" for name in sorted(cls.model_fields) for suffix in ("", "_file")])
    values = st.sampled_from(WRONG) | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
    gone = data.draw(st.sets(st.sampled_from(sorted(good))))
    told = {name: value for name, value in good.items() if name not in gone}
    refused(cls, told | data.draw(st.dictionaries(names, values)))
