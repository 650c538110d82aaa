"""Envoy in containers: from the local stack's template, accepted by Envoy, with TLS where that is asked for."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from charts import ROOT, Object, pods, refusal, rendered

from chassis.embedded.certificates import Authority
from devstack import envoy
from gateway import app, call
from gateway.settings import GatewaySettings
from gateway.streams.operation import StreamOperation

pytestmark = pytest.mark.xdist_group("chart")

TLS = ("--set", "edge.tls.secret=edge-tls")
TRACED = ("--set", "global.env.OTEL_EXPORTER_OTLP_ENDPOINT=http://otel.monitoring:4317")
BOTH_FAMILIES = ("--set", "edge.listen=::")


def accepted(folder: Path, files: dict[str, str]) -> None:
    """Let Envoy check a configuration whose files lie elsewhere than they will."""
    Authority(folder).issue("envoy")
    for name, text in files.items():
        placed = text.replace("/etc/envoy/", f"{folder}/").replace("/etc/envoy-tls", f"{folder}/envoy")
        (folder / name).write_text(placed)
    command = [envoy.program(), "--mode", "validate", "--config-path", folder / "envoy.yaml", "--log-level", "error"]
    environment = os.environ | {"EDGE_TLS_PORT": "8443"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def of_the_edge(objects: list[Object], kind: str) -> Object:
    (found,) = (item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, "neoforge-edge"))
    return found


@pytest.mark.parametrize("tls", [(), TLS])
@pytest.mark.parametrize("traced", [(), TRACED])
@pytest.mark.parametrize("families", [(), BOTH_FAMILIES])
def test_envoy_accepts_what_the_chart_makes_for_it(
    tmp_path: Path, tls: tuple[str, ...], traced: tuple[str, ...], families: tuple[str, ...]
) -> None:
    files = of_the_edge(rendered(*tls, *traced, *families), "ConfigMap")["data"]
    accepted(tmp_path, files)
    text = files["envoy.yaml"]
    assert ("DownstreamTlsContext" in text, "certificate.yaml" in files) == (bool(tls), bool(tls))
    assert ("otel.monitoring" in text) is bool(traced)
    assert ('"0.0.0.0"' in text, '"::", ipv4_compat: true' in text) == (not families, bool(families))
    assert not [
        left
        for left in ("GATEWAY_HOST", "COLLECTOR_HOST", "COLLECTOR_PORT", "SAMPLED", "EDGE_TLS_PORT")
        if left in text
    ]


def test_envoy_accepts_what_compose_gives_it(tmp_path: Path) -> None:
    folder = ROOT / "deploy" / "envoy"
    files = {"envoy.yaml": "compose.yaml", "certificate.yaml": "certificate.yaml"}
    accepted(tmp_path, {name: (folder / source).read_text() for name, source in files.items()})


@pytest.fixture(scope="module")
def configuration() -> Any:
    text = (ROOT / "deploy" / "envoy" / "compose.yaml").read_text()
    return yaml.safe_load(text.replace("!ignore shared:", "shared:"))


def manager_of(configuration: Any) -> Any:
    (listener, *_) = configuration["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def matched(route: Any, operations: Iterable[Any]) -> set[str]:
    matches = re.compile(route["match"]["safe_regex"]["regex"]).fullmatch
    return {one.path_format for one in operations if matches(one.path_format)}


OPERATIONS = [operation for service in app.SERVICES for routes in service.routes for operation in routes]


def test_a_file_may_take_as_long_as_the_gateway_lets_it(configuration: Any) -> None:
    _, files, _ = manager_of(configuration)["route_config"]["virtual_hosts"][0]["routes"]
    assert int(files["route"]["timeout"].removesuffix("s")) > call.FILE_S
    given = {one.path_format for one in OPERATIONS if one.declaration.gives_file}
    assert given
    assert given == matched(files, OPERATIONS)


def test_what_is_followed_has_no_time_limit_and_connections_of_its_own(configuration: Any) -> None:
    manager = manager_of(configuration)
    streams, _, others = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert (streams["route"]["timeout"], streams["route"]["priority"]) == ("0s", "HIGH")
    assert (others["route"]["timeout"], others["match"]) == ("35s", {"prefix": "/"})
    heartbeat = GatewaySettings.model_fields["stream_heartbeat_s"]
    longest_silence = max(item.le for item in heartbeat.metadata if hasattr(item, "le"))
    assert longest_silence < int(manager["stream_idle_timeout"].removesuffix("s"))
    followed = {one.path_format for one in OPERATIONS if isinstance(one, StreamOperation)}
    assert followed == matched(streams, OPERATIONS)
    assert len(followed) == 2
    cluster = next(one for one in configuration["static_resources"]["clusters"] if one["name"] == "gateway")
    bounds = {one.get("priority"): one["max_connections"] for one in cluster["circuit_breakers"]["thresholds"]}
    assert bounds["HIGH"] >= GatewaySettings.model_fields["streams"].default


def test_with_a_certificate_the_edge_is_reached_over_tls_by_tcp_and_udp() -> None:
    objects = rendered(*TLS, "--set", "edge.tls.port=9443")
    ports = of_the_edge(objects, "Service")["spec"]["ports"]
    assert [(p["name"], p["port"], p.get("protocol", "TCP")) for p in ports if p["port"] == 9443] == [
        ("https", 9443, "TCP"),
        ("quic", 9443, "UDP"),
    ]
    assert 'h3=":9443"' in of_the_edge(objects, "ConfigMap")["data"]["envoy.yaml"]
    (rule, *_) = of_the_edge(objects, "NetworkPolicy")["spec"]["ingress"]
    assert rule["ports"] == [{"port": 8080}, {"port": 8443}, {"port": 8443, "protocol": "UDP"}]
    (pod,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-edge")
    assert {"name": "tls", "secret": {"secretName": "edge-tls", "defaultMode": 0o440}} in pod["volumes"]
    assert {"name": "tls", "mountPath": "/etc/envoy-tls", "readOnly": True} in pod["containers"][0]["volumeMounts"]


def test_without_one_nothing_of_it_is_there() -> None:
    objects = rendered()
    assert [port["name"] for port in of_the_edge(objects, "Service")["spec"]["ports"]] == ["http"]
    assert of_the_edge(objects, "Service")["spec"]["type"] == "ClusterIP"
    (pod,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-edge")
    assert {volume["name"] for volume in pod["volumes"]} == {"configuration", "tmp"}


def test_from_outside_it_can_be_reached_straight_and_sees_who_calls() -> None:
    asked = ("edge.service.type=LoadBalancer", "edge.service.annotations.pool=public")
    service = of_the_edge(rendered(*BOTH_FAMILIES, *(word for given in asked for word in ("--set", given))), "Service")
    assert (service["spec"]["type"], service["spec"]["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert service["metadata"]["annotations"] == {"pool": "public"}


@pytest.mark.parametrize(
    ("setting", "words"),
    [("edge.listen=10.0.0.1", "listen"), ("edge.tls.port=0", "port"), ("edge.service.type=External", "type")],
)
def test_what_the_edge_cannot_be_is_refused(setting: str, words: str) -> None:
    assert words in refusal("--set", setting)
