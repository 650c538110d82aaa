"""The collector's configuration, as well as it can be checked without the collector's binary: by its structure."""

from pathlib import Path
from typing import Any

import pytest
import yaml

FILE = Path(__file__).parents[2] / "ops" / "otel" / "collector.yaml"

# What the components take (their documentation, releases 0.130 to 0.161); a misspelt key would end the collector.
KNOWN: dict[str, set[str]] = {
    "otlp receiver": {"protocols"},
    "memory_limiter": {"check_interval", "limit_percentage", "spike_limit_percentage", "limit_mib", "spike_limit_mib"},
    "tail_sampling": {"decision_wait", "num_traces", "expected_new_traces_per_sec", "decision_cache", "policies"},
    "batch": {"send_batch_size", "send_batch_max_size", "timeout"},
    "otlp exporter": {"endpoint", "tls", "headers", "compression", "timeout", "retry_on_failure", "sending_queue"},
    "health_check": {"endpoint", "path", "tls"},
}
POLICIES = {
    "status_code": {"status_codes"},
    "latency": {"threshold_ms", "upper_threshold_ms"},
    "string_attribute": {"key", "values", "enabled_regex_matching"},
    "probabilistic": {"sampling_percentage", "hash_salt"},
}


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def test_every_component_is_defined_and_used(collector: dict[str, Any]) -> None:
    pipelines = collector["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for pipeline in pipelines for name in pipeline[kind]} == set(collector[kind]), kind
    assert set(collector["service"]["extensions"]) == set(collector["extensions"])


def test_components_take_what_they_are_told(collector: dict[str, Any]) -> None:
    assert set(collector["receivers"]["otlp"]) <= KNOWN["otlp receiver"]
    assert set(collector["exporters"]["otlp"]) <= KNOWN["otlp exporter"]
    for name, told in (collector["processors"] | collector["extensions"]).items():
        assert set(told) <= KNOWN[name], name


def test_memory_is_limited_first_and_batches_are_made_last(collector: dict[str, Any]) -> None:
    assert collector["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "tail_sampling", "batch"]


def test_what_failed_and_what_was_slow_is_always_kept_and_of_the_rest_a_share(collector: dict[str, Any]) -> None:
    policies = {policy["type"]: policy for policy in collector["processors"]["tail_sampling"]["policies"]}
    assert set(policies) == set(POLICIES)
    for kind, policy in policies.items():
        assert set(policy) == {"name", "type", kind}
        assert set(policy[kind]) <= POLICIES[kind]
    assert policies["status_code"]["status_code"]["status_codes"] == ["ERROR"]
    assert policies["latency"]["latency"]["threshold_ms"] <= 1_000
    cache = collector["processors"]["tail_sampling"]["decision_cache"]
    assert min(cache.values()) > collector["processors"]["tail_sampling"]["num_traces"]
