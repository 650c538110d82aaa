"""Of a connection between the edge and a gateway on which nothing is said, the edge tires first, wherever they run.

Were it the gateway, a request that leaves just as the connection is closed would be lost (RFC 9112, section 9.5), and
one that is not safe to repeat would end in a 503.
"""

from pathlib import Path

import pytest
import yaml
from charts import CHART, ROOT, pods, rendered

from devstack import envoy
from devstack.folders import Folders
from devstack.ports import Ports
from devstack.stack import Stack
from gateway.settings import GatewaySettings

MARGIN_S = 10
"""How much later the gateway may see the end of the last answer, and more."""


class Configuration(yaml.CSafeLoader):
    """Reads Envoy's YAML, which passes over what is tagged so."""


Configuration.add_constructor("!ignore", lambda *_: None)


def edge_s(configuration: str) -> float:
    """For how long this Envoy keeps a silent connection to a gateway."""
    read = yaml.load(configuration, Loader=Configuration)  # noqa: S506 # a loader that is safe, and knows one tag more
    clusters = read["static_resources"]["clusters"]
    (gateway,) = (cluster for cluster in clusters if cluster["name"] == "gateway")
    (options,) = gateway["typed_extension_protocol_options"].values()
    return float(options["common_http_protocol_options"]["idle_timeout"].removesuffix("s"))


def gateway_s(environment: dict[str, str]) -> float:
    """For how long a gateway with these settings keeps one."""
    return float(environment.get("NEOFORGE_KEEP_ALIVE_S", GatewaySettings.model_fields["keep_alive_s"].default))


def test_the_local_edge_tires_before_the_local_gateway(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.make()
    (tmp_path / "redis").mkdir()
    stack = Stack.of(folders, Ports(8080), {})
    assert edge_s(envoy.configuration(stack.ports, {})) + MARGIN_S <= gateway_s(stack.gateway_environment())


def test_the_edge_of_compose_tires_before_its_gateway() -> None:
    gateway = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["gateway"]
    edge = (ROOT / "deploy" / "envoy" / "compose.yaml").read_text()
    assert edge_s(edge) + MARGIN_S <= gateway_s(gateway["environment"])


@pytest.mark.xdist_group("chart")
def test_the_edge_of_the_chart_tires_before_its_gateways() -> None:
    objects = rendered()
    (gateway,) = (pod for whose, pod in pods(objects) if whose == "Deployment neoforge-gateway")
    (container,) = gateway["containers"]
    environment = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    edges = sorted((CHART / "files").glob("envoy*.yaml"))
    assert len(edges) > 1
    for edge in edges:
        assert edge_s(edge.read_text()) + MARGIN_S <= gateway_s(environment), edge.name
