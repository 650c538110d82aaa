"""The chart's Envoy: what its configuration takes from the values."""

import pytest
import yaml
from charts import CHART, Object, rendered

from chassis.sampling import RATIO

pytestmark = pytest.mark.xdist_group("chart")

DEFAULT = CHART / "examples" / "default.yaml"


def objects(**env: str) -> list[Object]:
    values = [f"--set-string=global.env.{name}={value}" for name, value in env.items()]
    return rendered("--values", DEFAULT, *values)


def envoy(found: list[Object]) -> Object:
    (text,) = (item["data"]["envoy.yaml"] for item in found if "envoy.yaml" in item.get("data", {}))
    configuration: Object = yaml.safe_load(text.replace("!ignore ", ""))  # Envoy's own tag
    return configuration


def sampled(configuration: Object) -> int:
    (listener, *_) = configuration["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    sampler = manager["tracing"]["provider"]["typed_config"]["sampler"]["typed_config"]
    millionths: int = sampler["wrapped_sampler"]["typed_config"]["sampling_percentage"]["numerator"]
    return millionths


@pytest.mark.parametrize(
    ("sampler", "ratio", "millionths"),
    [
        ("", "", round(1_000_000 * RATIO)),
        ("parentbased_always_on", "", 1_000_000),
        ("parentbased_always_off", "", 0),
        ("parentbased_traceidratio", "0.05", 50_000),
        ("traceidratio", "", 1_000_000),
    ],
)
def test_envoy_records_the_share_of_traces_that_all_processes_are_told(
    sampler: str, ratio: str, millionths: int
) -> None:
    told = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": ratio}
    assert sampled(envoy(objects(**{name: value for name, value in told.items() if value}))) == millionths


@pytest.mark.parametrize(
    ("endpoint", "port", "encrypted"),
    [("http://otel.example.com:4317", 4317, False), ("https://otel.example.com:14317", 14317, True)],
)
def test_spans_go_where_the_endpoint_says_and_as_it_says(endpoint: str, port: int, encrypted: bool) -> None:
    found = objects(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    (cluster,) = (c for c in envoy(found)["static_resources"]["clusters"] if c["name"] == "otlp")
    (place,) = (e["endpoint"]["address"] for e in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"])
    assert place["socket_address"] == {"address": "otel.example.com", "port_value": port}
    assert ("transport_socket" in cluster) == encrypted
    policies = {p["metadata"]["name"]: p["spec"] for p in found if p["kind"] == "NetworkPolicy"}
    open_to_all = {
        name.removesuffix("-serve")
        for name, spec in policies.items()
        if any(rule.get("ports") == [{"port": port}] and "to" not in rule for rule in spec.get("egress", []))
    }
    processes = {p["metadata"]["name"] for p in found if p["kind"] == "Deployment"}
    assert processes <= open_to_all
