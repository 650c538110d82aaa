"""The collector's configuration, held against what the collector documents: its binary is in no registry used here."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from chassis.sampling import SLOW_S

FILE = Path(__file__).parents[2] / "ops" / "otel" / "collector.yaml"
VALIDATOR = Draft202012Validator(yaml.safe_load((Path(__file__).parent / "collector.schema.yaml").read_text()))
COLLECTOR: dict[str, Any] = yaml.safe_load(FILE.read_text())

Path_ = tuple[str | int, ...]


def places(node: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Give the way to each key."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield (*at, key)
            yield from places(value, (*at, key))
    elif isinstance(node, list):
        for position, value in enumerate(node):
            yield from places(value, (*at, position))


def faults(configuration: Any) -> list[str]:
    return [f"{fault.json_path}: {fault.message}" for fault in VALIDATOR.iter_errors(configuration)]


def test_the_collector_knows_every_component_and_every_key_of_its_configuration() -> None:
    Draft202012Validator.check_schema(VALIDATOR.schema)
    assert faults(COLLECTOR) == []


@pytest.mark.parametrize("place", [*places(COLLECTOR)], ids=lambda place: ".".join(map(str, place)))
def test_a_key_that_is_misspelt_is_found(place: Path_) -> None:
    wrong = deepcopy(COLLECTOR)
    *way, key = place
    holder = wrong
    for step in way:
        holder = holder[step]  # type: ignore[index] # the way was taken from it
    holder[f"{key}x"] = holder.pop(key)  # type: ignore[index] # likewise
    assert faults(wrong) != []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("processors", "tail_sampling", "decision_wait"), 15),
        (("processors", "batch", "timeout"), "2 seconds"),
        (("processors", "memory_limiter", "limit_percentage"), 180),
        (("exporters", "otlp", "endpoint"), "$OTLP_BACKEND"),
        (("receivers", "otlp", "protocols", "grpc", "endpoint"), "0.0.0.0"),
        (("service", "pipelines", "traces", "processors"), []),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_a_value_that_the_collector_would_not_read_is_found(place: tuple[str, ...], value: Any) -> None:
    wrong = deepcopy(COLLECTOR)
    *way, key = place
    holder = wrong
    for step in way:
        holder = holder[step]
    holder[key] = value
    assert faults(wrong) != []


def test_every_component_is_defined_and_used() -> None:
    pipelines = COLLECTOR["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(COLLECTOR[kind]), kind
    assert set(COLLECTOR["service"]["extensions"]) == set(COLLECTOR["extensions"])


def test_memory_is_limited_first_and_batches_are_made_last() -> None:
    assert COLLECTOR["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "tail_sampling", "batch"]


def test_what_failed_and_what_was_slow_is_always_kept_and_of_the_rest_a_share() -> None:
    sampling = COLLECTOR["processors"]["tail_sampling"]
    policies = {policy["type"]: policy[policy["type"]] for policy in sampling["policies"]}
    assert set(policies) == {"status_code", "latency", "string_attribute", "probabilistic"}
    assert policies["status_code"]["status_codes"] == ["ERROR"]
    assert policies["latency"]["threshold_ms"] == SLOW_S * 1000
    assert policies["string_attribute"] == {"key": "neoforge.job.outcome", "values": ["failed", "dead", "lost"]}
    # As the processor's documentation asks for.
    assert min(sampling["decision_cache"].values()) >= 10 * sampling["num_traces"]
