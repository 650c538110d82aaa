"""What a release is made of.

release.py notes 1.2.3                          what CHANGELOG.md says of it, once the versions of everything agree
release.py processes                            what has an image, as JSON
release.py layers                               what docker/bake-action builds and where it keeps layers, as outputs
release.py images REGISTRY 1.2.3 FOLDER         the chart's values that name these images by the digests in FOLDER
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def notes(changelog: str, version: str) -> str:
    """The section of that version.

    Raises:
        ValueError: there is none, or it is empty.
    """
    found = re.search(rf"^## {re.escape(version)}\b[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md says nothing of {version}")
    return found[1].strip()


def versions() -> dict[str, str]:
    """Every version that stands in the tree, by its file."""
    members = [
        *ROOT.glob("services/*/pyproject.toml"),
        ROOT / "gateway" / "pyproject.toml",
        ROOT / "chassis" / "pyproject.toml",
    ]
    found = {
        str(path.relative_to(ROOT)): str(tomllib.loads(path.read_text())["project"]["version"]) for path in members
    }
    for path in (ROOT / "deploy" / "helm").rglob("Chart.yaml"):
        found[str(path.relative_to(ROOT))] = str(yaml.safe_load(path.read_text())["appVersion"])
    return found


def processes() -> list[str]:
    """What has an image: the gateway, and every folder of services/."""
    return ["gateway", *sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))]


def layers() -> str:
    """Outputs of a step of a workflow: `targets`, every process, and `set`, a cache of its own for each.

    In one of all, the last would leave its layers alone.
    """
    kept = [
        line
        for process in processes()
        for line in (
            f"{process}.cache-from=type=gha,scope={process}",
            f"{process}.cache-to=type=gha,scope={process},mode=max",
        )
    ]
    return "\n".join(["targets=" + ",".join(processes()), "set<<END", *kept, "END"])


def images(registry: str, version: str, folder: Path) -> str:
    """Values of the chart by which these very images run; a digest is that of `folder` under the process's name.

    Raises:
        ValueError: one has none.
    """
    values: dict[str, object] = {"global": {"image": {"registry": registry, "tag": version}}}
    for process in processes():
        digest = (folder / process).read_text().strip() if (folder / process).is_file() else ""
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            raise ValueError(f"{process} has no digest: {digest!r}")
        values[process] = {"image": {"digest": digest}}
    return yaml.safe_dump(values, sort_keys=False)


def of_version(version: str) -> int:
    """Say what keeps the release from being made, or what it brings."""
    others = {path: has for path, has in versions().items() if has != version}
    for path, has in others.items():
        print(f"{path} says {has}, not {version}", file=sys.stderr)
    try:
        text = notes((ROOT / "CHANGELOG.md").read_text(), version)
    except ValueError as missing:
        print(missing, file=sys.stderr)
        return 1
    print(text)
    return int(bool(others))


def main() -> int:
    """Do what the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("notes").add_argument("version")
    verbs.add_parser("processes")
    verbs.add_parser("layers")
    verb = verbs.add_parser("images")
    verb.add_argument("registry")
    verb.add_argument("version")
    verb.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.verb == "notes":
        return of_version(given.version)
    if given.verb == "images":
        print(images(given.registry, given.version, given.folder))
    else:
        print(json.dumps(processes()) if given.verb == "processes" else layers())
    return 0


if __name__ == "__main__":
    sys.exit(main())
