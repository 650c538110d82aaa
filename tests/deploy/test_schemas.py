"""Configuration of tools that cannot be run here is valid to the schemas that their makers publish."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from charts import CHART, EXAMPLES, SERVICE_CHART, name, rendered

ROOT = Path(__file__).parents[2]
OF_OTHERS = Path(__file__).parent / "third_party"
SKAFFOLD = OF_OTHERS / "skaffold-v4beta13.schema.json"
CUSTOM = json.loads((OF_OTHERS / "custom-resources.schema.json").read_text())
OWN_GROUPS = {"apps", "autoscaling", "batch", "networking.k8s.io", "policy", "v1"}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def checked(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        pytest.param(["--schemafile", SKAFFOLD], ["skaffold.yaml"], id="skaffold"),
        pytest.param(
            ["--builtin-schema", "vendor.compose-spec"], ["compose.yaml", "compose.override.yaml"], id="compose"
        ),
        pytest.param(["--builtin-schema", "vendor.github-workflows"], WORKFLOWS, id="workflows"),
        pytest.param(["--builtin-schema", "custom.github-workflows-require-timeout"], WORKFLOWS, id="timeouts"),
        pytest.param(["--builtin-schema", "vendor.renovate"], ["renovate.json"], id="renovate"),
    ],
)
def test_a_configuration_is_valid_to_its_schema(schema: list[str | Path], files: list[str | Path]) -> None:
    done = checked(*schema, *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_of_skaffold_finds_a_word_that_it_does_not_know(tmp_path: Path) -> None:
    wrong = tmp_path / "skaffold.yaml"
    wrong.write_text((ROOT / "skaffold.yaml").read_text().replace("artifacts:", "artefacts:"))
    assert checked("--schemafile", SKAFFOLD, wrong).returncode != 0


@pytest.mark.parametrize("values", EXAMPLES, ids=lambda path: path.stem)
def test_what_operators_read_is_valid_to_their_own_definitions(values: Path) -> None:
    for item in rendered("--values", values):
        if item["apiVersion"].partition("/")[0] not in OWN_GROUPS:
            found = jsonschema.Draft7Validator(CUSTOM[f"{item['apiVersion']} {item['kind']}"]).iter_errors(item)
            assert [(error.json_path, error.message) for error in found] == [], name(item)


def test_every_kind_of_custom_resource_that_there_is_a_definition_of_is_rendered() -> None:
    objects = rendered("--values", CHART / "examples" / "every-feature.yaml")
    kinds = {f"{item['apiVersion']} {item['kind']}" for item in objects + rendered()}
    assert CUSTOM.keys() <= kinds


def openings(schema: Any, path: str = "") -> Iterator[str]:
    """Every place in a schema where a key that nobody knows would pass."""
    if isinstance(schema, list):
        for part in schema:
            yield from openings(part, path)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and "additionalProperties" not in schema:
        yield path
    for key, part in schema.items():
        if key == "properties":
            for inner, of_it in part.items():
                yield from openings(of_it, f"{path}.{inner}")
        elif isinstance(part, dict | list):
            yield from openings(part, f"{path}[]" if key == "items" else path)


@pytest.mark.parametrize("chart", [CHART, SERVICE_CHART], ids=lambda path: path.name)
def test_no_key_of_the_values_passes_unknown(chart: Path) -> None:
    """But in lists of what is Kubernetes' own; what stands below a process is checked by that process's chart."""
    schema = json.loads((chart / "values.schema.json").read_text())
    processes = {f".{path.stem}" for path in (CHART / "services").glob("*.yaml")}
    assert {path for path in openings(schema) if not path.endswith("[]")} <= processes
