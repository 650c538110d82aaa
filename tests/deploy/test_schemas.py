"""Configuration of tools that cannot be run here is valid to the schemas that their makers publish."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKAFFOLD = Path(__file__).parent / "third_party" / "skaffold-v4beta13.schema.json"
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
