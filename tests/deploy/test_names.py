"""Names of what the chart makes: the same to who has one and to who calls by it, and none that Kubernetes refuses."""

import re

import pytest
from charts import CHART, SERVICE_CHART, helm, hooks, name, pods, rendered

pytestmark = pytest.mark.xdist_group("chart")

LONGEST = "a" + 34 * "-" + "z"
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1035, as names of Services are."""


def test_with_the_longest_name_nothing_is_cut_and_nothing_has_the_name_of_another() -> None:
    objects = rendered("--values", CHART / "examples" / "every-feature.yaml", "--set", f"global.instance={LONGEST}")
    names = [name(item) for item in objects]
    assert len(names) == len(set(names))
    short = rendered("--values", CHART / "examples" / "every-feature.yaml", "--set", "global.instance=forge")
    assert names == [name(item).replace("forge", LONGEST, 1) for item in short]
    for item in objects:
        if item["kind"] not in {"ConfigMap", "PrometheusRule"} and not item["kind"].endswith("Monitor"):
            room = 4 if item["kind"] == "Job" and not hooks(item) else 0  # for revisions to come
            assert len(item["metadata"]["name"]) <= 63 - room, name(item)
            assert LABEL.fullmatch(item["metadata"]["name"]), name(item)
        for value in item["metadata"]["labels"].values():
            assert len(value) <= 63


def test_the_cluster_of_cloudnativepg_has_a_name_that_its_operator_takes() -> None:
    """50 characters, since its Services and Secrets have longer ones."""
    objects = rendered("--values", CHART / "examples" / "every-feature.yaml", "--set", f"global.instance={LONGEST}")
    (cluster,) = (item for item in objects if item["kind"] == "Cluster")
    assert len(cluster["metadata"]["name"]) <= 50


@pytest.mark.parametrize("instance", ["forge", LONGEST])
def test_the_gateway_calls_services_by_the_names_that_they_have(instance: str) -> None:
    objects = rendered("--set", f"global.instance={instance}")
    services = {item["metadata"]["name"] for item in objects if item["kind"] == "Service"}
    (pod,) = (pod for whose, pod in pods(objects) if whose == f"Deployment {instance}-gateway")
    targets = [entry["value"] for entry in pod["containers"][0]["env"] if entry["name"].endswith("_TARGET")]
    assert len(targets) == len(list((CHART / "services").glob("*.yaml"))) - 1  # all but the gateway itself
    assert {target.removesuffix(":8090") for target in targets} <= services


@pytest.mark.parametrize("instance", [f"{LONGEST}a", "a" * 42, "a" * 48])
@pytest.mark.parametrize("by", ["release", "value"])
def test_a_name_that_is_too_long_is_refused(instance: str, by: str) -> None:
    arguments = [instance, CHART] if by == "release" else ["r", CHART, "--set", f"global.instance={instance}"]
    done = helm("template", *arguments)
    assert done.returncode != 0
    assert f"All names begin with {instance}, of {len(instance)} characters." in done.stderr
    assert "36 at most: give the release another name, or set global.instance." in done.stderr


@pytest.mark.parametrize("instance", ["1forge", "forge.eu"])
def test_a_name_that_no_service_may_have_is_refused(instance: str) -> None:
    assert f"All names begin with {instance}" in helm("template", instance, CHART).stderr


@pytest.mark.parametrize("process", ["p" * 17, "pro.jects"])
def test_a_process_of_such_a_name_is_refused(process: str) -> None:
    values = ("--values", CHART / "services" / "projects.yaml", "--set", f"name={process}")
    assert f"The name of the process, {process}," in helm("template", "projects", SERVICE_CHART, *values).stderr
