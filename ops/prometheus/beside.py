"""Prometheus' configuration for a stack on other ports than the usual ones.

    python -m ops.prometheus.beside FOLDER [--port 9000]

The folder gets what stands here, with the targets of `make up PORT=9000`.
"""

import argparse
import re
import shutil
from pathlib import Path

from ops.catalogue import ROOT

from devstack.ports import DEFAULT, Ports

CONFIGURATION = ROOT / "ops" / "prometheus"
OF_THE_STACK = ("neoforge.yml", "envoy.yml")


def write(folder: Path, base: int) -> None:
    """Write configuration, rules and targets into a folder, for the stack whose ports begin at `base`."""
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    shutil.copy(CONFIGURATION / "prometheus.yml", folder)
    shutil.copytree(CONFIGURATION / "rules", folder / "rules", dirs_exist_ok=True)
    further = Ports(base).base - DEFAULT
    for file in (CONFIGURATION / "targets").glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        if file.name in OF_THE_STACK:
            text = re.sub(r"(?<=127\.0\.0\.1:)\d+", lambda port: str(int(port[0]) + further), text)
        (folder / "targets" / file.name).write_text(text, encoding="utf-8")


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=DEFAULT, help="the stack's base port")
    given = parser.parse_args()
    write(given.folder, given.port)


if __name__ == "__main__":
    main()
