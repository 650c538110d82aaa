"""What docs/scaling.md reckons comes out of the figures beside it, and its limits are those of the configuration."""

import math
import re

import pytest
from charts import CHART, ROOT, pods, rendered

from chassis.settings import ServiceSettings

PAGE = (ROOT / "docs" / "scaling.md").read_text()
FREE = 0.7
"""As much of a core as the model lets a replica use."""


def cells(heading: str) -> list[list[str]]:
    """The rows of the table that begins with this heading."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def number(text: str) -> float:
    return float(text.replace(",", ""))


COSTS = {request: [number(cost) for cost in costs] for request, *costs in cells("Request")}
ENVOY, GATEWAY, PROJECTS, _, REDIS = (cost / 1e6 for cost in COSTS["GET by id"][:-1])
"""CPU seconds of a GET."""


def test_what_a_request_costs_is_the_sum_of_what_it_costs_each() -> None:
    assert COSTS
    for *parts, together in COSTS.values():
        assert sum(parts) == together


@pytest.mark.parametrize(("cost", "said"), [(GATEWAY, 2.02), (PROJECTS, 1.71), (ENVOY, 0.57)])
def test_the_example_is_what_the_model_says(cost: float, said: float) -> None:
    assert round(1000 * cost / FREE, 2) == said
    assert str(said) in PAGE


def test_one_redis_is_enough_for_as_many_gateways_as_is_said() -> None:
    found = re.search(r"one Redis is enough for ([\d,]+) GETs a second, the work of (\d+) gateways", PAGE)
    assert found
    assert math.floor(FREE / REDIS / 100) * 100 == number(found[1])
    assert math.ceil(FREE / REDIS * GATEWAY / FREE) == int(found[2])


def test_two_gateways_answered_what_is_said_of_them() -> None:
    busy = number(*re.findall(r"\(([\d,]+) microseconds of the\ngateway's CPU", PAGE))
    share = float(*re.findall(r"binds each gateway to (0\.\d+) of a core", PAGE))
    rows = cells("Gateways")
    for count, _, model in rows:
        assert round(int(count) * share / busy * 1e6) == int(model)
    assert int(rows[1][1]) / int(rows[0][1]) == pytest.approx(
        float(*re.findall(r"answered (\d\.\d+) times", PAGE)), abs=0.02
    )


def test_limits_are_those_of_the_configuration() -> None:
    envoy = (ROOT / "deploy" / "envoy" / "compose.yaml").read_text()
    (connections,) = re.findall(r"max_active_downstream_connections: (\d+)", envoy)
    assert f"{int(connections):,} connections each" in PAGE
    pool = ServiceSettings.model_fields["database_pool_size"].default
    assert f"`NEOFORGE_DATABASE_POOL_SIZE` ({pool})" in PAGE
    assert "max_prepared_statements" in (CHART / "templates" / "postgresql.yaml").read_text()


def test_in_the_example_of_production_replicas_are_added_where_the_model_adds_them() -> None:
    objects = rendered("--values", CHART / "examples" / "production.yaml")
    asked = {whose: pod["containers"][0]["resources"]["requests"]["cpu"] for whose, pod in pods(objects)}
    scalers = [item["spec"] for item in objects if item["kind"] == "HorizontalPodAutoscaler"]
    assert scalers
    for scaler in scalers:
        (metric,) = scaler["metrics"]
        cores = float(asked[f"Deployment {scaler['scaleTargetRef']['name']}"])
        assert cores * metric["resource"]["target"]["averageUtilization"] / 100 == FREE
