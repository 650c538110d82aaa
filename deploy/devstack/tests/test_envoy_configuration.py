"""What the template makes of the stack's ports and OpenTelemetry's variables."""

import shutil
from pathlib import Path

import pytest

from devstack import envoy
from devstack.errors import StackError
from devstack.ports import Ports


def test_envoy_accepts_its_configuration_with_and_without_a_collector() -> None:
    envoy.validate(Ports(9000))


def test_a_configuration_that_envoy_refuses_is_shown_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(envoy.TEMPLATE.parent, tmp_path, dirs_exist_ok=True)
    template = tmp_path / envoy.TEMPLATE.name
    template.write_text(template.read_text().replace("codec_type: {{ codec }}", "codec_type: SLOW"))
    monkeypatch.setattr(envoy, "TEMPLATE", template)
    with pytest.raises(StackError, match=r"(?s)Envoy refuses .*SLOW"):
        envoy.validate(Ports(9000))


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "secured"),
    [
        ("http://127.0.0.1:4317", "127.0.0.1", 4317, False),
        ("https://collector.example", "collector.example", 4317, True),
        ("collector:9", "collector", 9, False),
    ],
)
def test_traces_go_where_opentelemetry_is_told(endpoint: str, host: str, port: int, secured: bool) -> None:
    rendered = envoy.configuration(Ports(9000), {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    assert f"{{ address: {host}, port_value: {port} }}" in rendered
    assert ("UpstreamTlsContext" in rendered) is secured


@pytest.mark.parametrize("endpoint", ["ftp://collector", "http://"])
def test_a_collector_that_is_no_address_is_named(endpoint: str) -> None:
    with pytest.raises(StackError, match="OTEL_EXPORTER_OTLP_ENDPOINT is no address"):
        envoy.configuration(Ports(9000), {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})


@pytest.mark.parametrize(
    ("sampler", "ratio", "millionths"),
    [
        ("", "", 250_000),
        ("parentbased_always_on", "0.5", 1_000_000),
        ("parentbased_traceidratio", "0.05", 50_000),
        ("traceidratio", "7", 1_000_000),
        ("always_off", "", 0),
    ],
)
def test_the_share_that_opentelemetry_is_told_is_envoys_too(sampler: str, ratio: str, millionths: int) -> None:
    told = {"OTEL_TRACES_SAMPLER": sampler} | ({"OTEL_TRACES_SAMPLER_ARG": ratio} if ratio else {})
    assert f"numerator: {millionths}, denominator: MILLION" in envoy.configuration(Ports(9000), told)


def test_a_ratio_that_is_none_is_named() -> None:
    with pytest.raises(StackError, match="OTEL_TRACES_SAMPLER_ARG is no ratio: lots"):
        envoy.configuration(Ports(9000), {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "lots"})
