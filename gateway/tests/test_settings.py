from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings

GOOD: dict[str, Any] = {
    "environment": "development",
    "listen": "127.0.0.1:8081",
    "public_url": "http://localhost:8080/",
    "projects_target": "127.0.0.1:8090",
    "redis_url": "redis://127.0.0.1:8084/0",
    "jwks_url": "http://127.0.0.1:8082/jwks.json",
    "token_issuer": "http://localhost:8082",
    "token_audience": "neoforge",
}


def faults(**changes: Any) -> set[str]:
    try:
        GatewaySettings.model_validate({**GOOD, **changes})
    except ValidationError as refused:
        return {str(error["loc"][0]) for error in refused.errors()}
    return set()


def test_good_settings_are_taken() -> None:
    settings = GatewaySettings.model_validate(
        {**GOOD, "trusted_proxies": "127.0.0.1/32, fd00::/8", "quotas": "reads=9/1"}
    )
    assert settings.public_url == "http://localhost:8080"
    assert len(settings.proxies) == 2
    assert settings.tiers["reads"].quota == 9
    assert settings.tiers["writes"].quota == 600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("public_url", "localhost:8080"),
        ("public_url", "https://x.test/path"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "everyone"),
        ("cors_origins", "*"),
        ("cors_origins", "https://*.example.com"),
        ("cors_origins", "https://a.test/path"),
        ("cors_origins", "null"),
        ("quotas", "reads"),
        ("listen", "8081"),
        ("forwarded_header", "x-real-ip"),
        ("body_limit_bytes", 0),
    ],
)
def test_a_bad_setting_is_refused_by_name(name: str, value: object) -> None:
    assert faults(**{name: value}) == {name}


def test_production_refuses_everything_that_is_only_convenient_at_once() -> None:
    assert faults(environment="production", cors_origins="http://a.test") == {
        "public_url",
        "jwks_url",
        "trusted_proxies",
        "cors_origins",
        "tls_ca",
        "tls_certificate",
        "tls_key",
    }
