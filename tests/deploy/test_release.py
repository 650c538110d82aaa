import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from charts import containers, pods, rendered

ROOT = Path(__file__).parents[2]
CHANGELOG = "# Changelog\n\n## 1.1.0 (2026-02-01)\n\n- More.\n\n## 1.0.0\n\n- The first.\n"


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / "deploy" / "release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_has_the_notes_of_its_version_alone(release: ModuleType) -> None:
    assert release.notes(CHANGELOG, "1.1.0") == "- More."
    assert release.notes(CHANGELOG, "1.0.0") == "- The first."


def test_a_version_without_notes_is_no_release(release: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"says nothing of 1\.2\.0"):
        release.notes(CHANGELOG, "1.2.0")


def test_everything_has_one_version_which_the_changelog_knows(release: ModuleType) -> None:
    (version,) = set(release.versions().values())
    assert release.notes((ROOT / "CHANGELOG.md").read_text(), version)


def test_the_release_builds_the_image_of_every_process_without_naming_one(release: ModuleType) -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    assert yaml.safe_load(text)["jobs"]["images"]["strategy"]["matrix"] == {
        "service": "${{ fromJSON(needs.changelog.outputs.processes) }}"
    }
    services = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert set(release.processes()) == services | {"gateway"}
    assert not [service for service in services if f" {service}" in text]


def test_a_release_names_its_images_by_digest_as_the_chart_reads_it(release: ModuleType, tmp_path: Path) -> None:
    for number, process in enumerate(release.processes()):
        (tmp_path / process).write_text(f"sha256:{number:064x}\n")
    values = tmp_path / "images.yaml"
    values.write_text(release.images("ghcr.io/example/neoforge", "1.2.3", tmp_path))
    found = {
        container["image"]
        for whose, pod in pods(rendered("--values", values))
        for container in containers(pod)
        if "edge" not in whose and "test" not in whose
    }
    assert found == {
        f"ghcr.io/example/neoforge/{process}:1.2.3@sha256:{number:064x}"
        for number, process in enumerate(release.processes())
    }
    (tmp_path / "projects").unlink()
    with pytest.raises(ValueError, match="projects has no digest"):
        release.images("ghcr.io/example/neoforge", "1.2.3", tmp_path)


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_says_and_ends_by_itself(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        needed = [step.get("uses", "") for step in job["steps"]]
        assert all(re.search("@[0-9a-f]{40}$", use) for use in needed if use), (
            f"{name}: a tag can be moved, a commit not"
        )


def test_each_image_of_the_deploy_workflow_keeps_its_own_layers(release: ModuleType) -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "deploy.yml").read_text())
    (bake,) = (step["with"] for step in workflow["jobs"]["compose"]["steps"] if "bake-action@" in step.get("uses", ""))
    assert bake["source"] == "."
    assert {name: bake[name] for name in ("targets", "set")} == {
        name: f"${{{{ steps.layers.outputs.{name} }}}}" for name in ("targets", "set")
    }
    targets, _, *kept, _ = release.layers().splitlines()
    assert targets.removeprefix("targets=").split(",") == release.processes()
    for process in release.processes():
        for way in ("from=type=gha,scope={0}", "to=type=gha,scope={0},mode=max"):
            assert f"{process}.cache-{way.format(process)}" in kept


def test_a_change_of_documentation_is_tested_like_any_other() -> None:
    text = (ROOT / ".github" / "workflows" / "backend.yml").read_text()
    ignored = yaml.safe_load(text.replace("\non:", "\n'on':"))["on"]["pull_request"]["paths-ignore"]
    assert not [pattern for pattern in ignored if pattern.endswith(".md") or pattern.startswith("docs")]
