"""What of Envoy's admin can be reached, and by whom: who reaches all of it may end Envoy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from charts import CHART, ROOT, name, pods, rendered
from running_edge import ADMIN, OPERATIONS, Edge, running

pytestmark = pytest.mark.xdist_group("chart")

TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with running(tmp_path_factory.mktemp("edge")) as found:
        yield found


def test_probes_and_prometheus_reach_their_pages(edge: Edge) -> None:
    assert edge.asked(OPERATIONS, "/ready") == (200, b"LIVE\n")
    status, page = edge.asked(OPERATIONS, "/stats/prometheus")
    assert status == 200
    assert b"envoy_server_uptime" in page


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/quitquitquit"),
        ("POST", "/healthcheck/fail"),
        ("POST", "/ready"),
        ("GET", "/"),
        ("GET", "/config_dump"),
        ("GET", "/certs"),
        ("GET", "/stats"),
        ("GET", "/server_info"),
        ("GET", "/ready/"),
        ("GET", "/ready/../config_dump"),
        ("GET", "/stats/prometheus/../../config_dump"),
        ("GET", "//config_dump"),
        ("GET", "/%72eady"),
    ],
)
def test_of_everything_else_there_is_nothing(edge: Edge, method: str, path: str) -> None:
    assert edge.asked(OPERATIONS, path, method)[0] == 404
    assert edge.asked(ADMIN, "/ready")[0] == 200


@pytest.mark.parametrize("file", [ROOT / "deploy" / "envoy" / "compose.yaml", *sorted(CHART.glob("files/envoy*.yaml"))])
def test_the_admin_listens_on_the_loopback_alone(file: Path) -> None:
    text = file.read_text()
    configuration = yaml.safe_load(text.replace("!ignore ", ""))
    assert configuration["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_reached_from_outside_shows_the_edge_alone(kind: str) -> None:
    objects = rendered("--set", f"edge.service.type={kind}", "--set", "edge.tls.secret=edge-tls")
    services = {item["metadata"]["name"]: item["spec"] for item in objects if item["kind"] == "Service"}
    assert services["neoforge-edge"]["type"] == kind
    assert {port["name"] for port in services["neoforge-edge"]["ports"]} == {"http", "https", "quic"}
    assert [found for found, spec in services.items() if spec.get("type", "ClusterIP") != "ClusterIP"] == (
        ["neoforge-edge"] if kind != "ClusterIP" else []
    )
    assert services["neoforge-edge-operations"]["clusterIP"] == "None"


def test_whoever_looks_after_envoy_asks_the_port_that_is_for_it() -> None:
    objects = rendered("--values", CHART / "examples" / "production.yaml")
    (pod,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-edge")
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    assert ports == {"http": 8080, "operations": 9902}
    for probe in ("readinessProbe", "livenessProbe"):
        assert pod["containers"][0][probe]["httpGet"] == {"path": "/ready", "port": "operations"}
    found = {name(item): item for item in objects}
    monitor = found["ServiceMonitor neoforge-edge"]["spec"]
    assert monitor["endpoints"][0]["port"] == "operations"
    wanted = monitor["selector"]["matchLabels"].items()
    services = {who: item["metadata"]["labels"] for who, item in found.items() if item["kind"] == "Service"}
    seen = [who for who, labels in services.items() if wanted <= labels.items()]
    assert seen == ["Service neoforge-edge-operations"]
    rules = found["NetworkPolicy neoforge-edge"]["spec"]["ingress"]
    opened = [port["port"] for rule in rules for port in rule["ports"]]
    assert opened == [8080, 9902]


def test_prometheus_of_compose_asks_that_port_too() -> None:
    targets = yaml.safe_load((ROOT / "deploy" / "compose" / "targets" / "envoy.yml").read_text())
    assert [target for entry in targets for target in entry["targets"]] == ["envoy:9902"]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert not [port for port in services["envoy"]["ports"] if "990" in port]
