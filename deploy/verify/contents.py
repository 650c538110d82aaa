"""Run inside an image, on a read-only root: it holds what its process needs, and nothing of another.

python - SERVICE OTHER...
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import pkgutil
import shutil
import sys

service, *others = sys.argv[1:]
faults = []


def expect(holds: object, otherwise: str) -> None:
    """Remember what does not hold."""
    if not holds:
        faults.append(otherwise)


for other in others:
    expect(importlib.util.find_spec(other) is None, f"it carries the code of {other}")
    if service != "gateway":
        expect(importlib.util.find_spec(f"neoforge.{other}") is None, f"it carries the protos of {other}")
ours = {d.metadata["Name"] for d in importlib.metadata.distributions() if d.metadata["Name"].startswith("neoforge")}
expect(ours == {"neoforge-protos", "neoforge-chassis", f"neoforge-{service}"}, f"its own packages are {sorted(ours)}")
modules = {module.name for module in pkgutil.iter_modules()}
for tool in ("pip", "setuptools", "hatchling", "pytest", "grpc_tools"):
    expect(tool not in modules, f"it carries {tool}")
for program in ("gcc", "make", "apt-get", "perl", "curl"):
    expect(shutil.which(program) is None, f"it carries {program}")
expect(os.getuid() == 10001, f"it runs as {os.getuid()}")  # noqa: PLR2004 - the user of the Dockerfile
for folder in ("/", "/opt/neoforge", "/usr"):
    expect(not os.access(folder, os.W_OK), f"{folder} can be written")
bill = json.loads(pathlib.Path("/usr/share/sbom/neoforge.cdx.json").read_text())
named = {component["name"].lower() for component in bill["components"]}
expect({"grpcio", f"neoforge-{service}"} <= named, f"its bill of materials names {len(named)} components, not all")
for fault in faults:
    print(f"{service}: {fault}", file=sys.stderr)
sys.exit(bool(faults))
