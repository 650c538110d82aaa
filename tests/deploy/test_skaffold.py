from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROCESSES = {"gateway", *(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))}


@pytest.fixture(scope="module")
def skaffold() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "skaffold.yaml").read_text())
    return found


def test_skaffold_builds_and_places_the_image_of_every_process(skaffold: dict[str, Any]) -> None:
    artifacts = {artifact["image"]: artifact for artifact in skaffold["build"]["artifacts"]}
    assert artifacts.keys() == {f"neoforge/{process}" for process in PROCESSES}
    (release,) = skaffold["deploy"]["helm"]["releases"]
    placed = release["setValueTemplates"]
    for process in PROCESSES:
        artifact = artifacts[f"neoforge/{process}"]
        assert artifact["docker"]["buildArgs"] == {"SERVICE": process}
        (synced,) = artifact["sync"]["manual"]
        assert (ROOT / synced["strip"]).is_dir()
        assert synced["dest"] == f"/source/{process}"
        assert placed[f"{process}.image.repository"] == f"{{{{.IMAGE_REPO_neoforge_{process}}}}}"
        assert placed[f"{process}.image.tag"] == f"{{{{.IMAGE_TAG_neoforge_{process}}}}}"
    assert len(placed) == 2 * len(PROCESSES)


def test_files_that_skaffold_names_are_there(skaffold: dict[str, Any]) -> None:
    (release,) = skaffold["deploy"]["helm"]["releases"]
    named = [release["chartPath"], *release["valuesFiles"], skaffold["build"]["artifacts"][0]["docker"]["dockerfile"]]
    for profile in skaffold["profiles"]:
        named += next(patch["value"] for patch in profile["patches"])
    for path in named:
        assert (ROOT / path).exists(), path
