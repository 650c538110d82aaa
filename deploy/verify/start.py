"""Starts the core of compose.yaml in the order that its `depends_on` declares, with podman-compose.

Podman before 4.6 cannot wait for health, and cannot start what depends on a container that has ended, so each wave of
services is started by itself, when what it waits for is healthy or has ended well:

    start.py [--override] SERVICE=REPLICAS...

With --override compose.override.yaml counts too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PROGRAM = [str(Path(sys.executable).parent / "podman-compose"), "--in-pod", "false"]
PATIENCE_S = 180


def podman(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run podman, whatever it says."""
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607


def states(service: str) -> list[dict[str, Any]]:
    """The containers of a service, as podman lists them."""
    listed = podman("ps", "--all", "--format", "json", "--filter", f"label=com.docker.compose.service={service}")
    found: list[dict[str, Any]] = json.loads(listed.stdout or "[]")
    return found


def holds(service: str, condition: str) -> bool:
    """Whether every container of a service is healthy, or has ended well."""
    found = states(service)
    if condition == "service_completed_successfully":
        for container in found:
            if container["State"] == "exited" and container["ExitCode"] != 0 and "migrate" not in service:
                sys.exit(f"{service} ended with {container['ExitCode']}")
        return bool(found) and all(c["State"] == "exited" and c["ExitCode"] == 0 for c in found)
    return bool(found) and all(
        podman("healthcheck", "run", container["Names"][0]).returncode == 0 for container in found
    )


def main() -> int:
    """Start one wave after another."""
    arguments = argparse.ArgumentParser(description="Start the core of compose.yaml.")
    arguments.add_argument("--override", action="store_true")
    arguments.add_argument("replicas", nargs="*", metavar="SERVICE=REPLICAS")
    given = arguments.parse_args()
    replicas = dict(word.split("=") for word in given.replicas)
    files = ["compose.yaml", "compose.override.yaml"] if given.override else ["compose.yaml"]
    program = [*PROGRAM, *(word for name in files for word in ("--file", str(ROOT / name)))]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    waiting = {name: service.get("depends_on", {}) for name, service in services.items() if not service.get("profiles")}
    met: set[tuple[str, str]] = set()
    begun = changed = time.monotonic()
    while waiting:
        wave = []
        for name, needs in waiting.items():
            wanted = {(needed, how["condition"]) for needed, how in needs.items()}
            met |= {need for need in wanted - met if need[0] not in waiting and holds(*need)}
            if wanted <= met:
                wave.append(name)
        for name in wave:
            del waiting[name]
        if wave:
            scale = [word for name in wave if name in replicas for word in ("--scale", f"{name}={replicas[name]}")]
            command = [*program, "up", "--detach", "--no-build", "--no-deps", *scale, *wave]
            started = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
            if started.returncode:
                sys.exit(started.stdout + started.stderr)
            print(f"{time.monotonic() - begun:4.0f} s  {' '.join(wave)}", flush=True)
            changed = time.monotonic()
        elif time.monotonic() - changed > PATIENCE_S:
            sys.exit(f"still waiting, {PATIENCE_S} s after anything started: {', '.join(waiting)}")
        else:
            time.sleep(1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
