"""The chart, rendered by the real Helm, as Python objects."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
HELM = shutil.which("helm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "helm"
CHART = ROOT / "deploy" / "helm" / "neoforge"
SERVICE_CHART = CHART / "charts" / "service"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))

Object = dict[str, Any]


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def rendered(*arguments: str | Path, chart: Path = CHART, release: str = "neoforge") -> list[Object]:
    done = helm("template", release, chart, "--namespace", "neoforge", *arguments)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if item]


def refusal(*arguments: str | Path, chart: Path = CHART) -> str:
    done = helm("template", "neoforge", chart, *arguments)
    assert done.returncode != 0, "it was rendered"
    return done.stderr


def name(item: Object) -> str:
    return f"{item['kind']} {item['metadata']['name']}"


def hooks(item: Object) -> set[str]:
    return set(filter(None, (item["metadata"].get("annotations") or {}).get("helm.sh/hook", "").split(",")))


def weight(item: Object) -> int:
    return int(item["metadata"]["annotations"].get("helm.sh/hook-weight", "0"))


def pods(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that would run: the spec, and whose it is."""
    for item in objects:
        if item["kind"] == "Pod":
            yield name(item), item["spec"]
        elif item["kind"] in {"Deployment", "Job"}:
            yield name(item), item["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]
