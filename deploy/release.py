"""Prints what CHANGELOG.md says of a release, once the versions of everything agree with it: `release.py 1.2.3`."""

from __future__ import annotations

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


def main() -> int:
    """Say what keeps the release from being made, or what it brings."""
    version = sys.argv[1]
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


if __name__ == "__main__":
    sys.exit(main())
