"""Writes what deploys are made of from what stands elsewhere: Envoy's configuration for containers, the schemas of the
chart's values, values for a process that is released alone, and examples of what the chart renders.

    python deploy/generate.py [--check]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from devstack.envoy import MILLION
from devstack.envoy import rendered as rendered_envoy

DEPLOY = Path(__file__).parent
ROOT = DEPLOY.parent
CHART = DEPLOY / "helm" / "neoforge"
SERVICE_CHART = CHART / "charts" / "service"
sys.path.insert(0, str(DEPLOY / "helm"))

import schema  # noqa: E402 - a file beside this script, not a package that is installed

if TYPE_CHECKING:
    from collections.abc import Iterable

KUBERNETES = "1.31"
COLLECTORS = {
    "": None,
    "-traced": {"host": "COLLECTOR_HOST", "port": "COLLECTOR_PORT", "tls": False},
    "-traced-https": {"host": "COLLECTOR_HOST", "port": "COLLECTOR_PORT", "tls": True},
}
"""The collectors that a release of the chart may have, by what its file is called."""
_FORMS: dict[object, str] = {
    int: "[0-9]+",
    float: r"[0-9]*\.?[0-9]+",
    bool: "[Tt]rue|[Ff]alse|TRUE|FALSE|[01tfynTFYN]|yes|no|on|off",
}
"""How numbers and switches are written in an environment."""
_HEAD = "# Made by `make gen` from {source}; changes belong there.\n"


def services() -> list[str]:
    """Give the name of every service."""
    return sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))


def settings() -> dict[str, str]:
    """Give every setting that some process has, as its variable is called, and what it may be (see `form`)."""
    kinds = [importlib.import_module(f"{name}.settings").Settings for name in services()]
    kinds.append(importlib.import_module("gateway.settings").GatewaySettings)
    kinds.append(importlib.import_module("chassis.settings").MigrationSettings)
    found: dict[str, set[str]] = {}
    for kind in kinds:
        for field, info in kind.model_fields.items():
            found.setdefault(f"NEOFORGE_{field.upper()}", set()).add(form(info.annotation))
    return {setting: forms.pop() if len(forms) == 1 else "" for setting, forms in sorted(found.items())}


def form(annotation: object) -> str:
    """Give a regular expression of what a setting of this type may be, or nothing: its process knows better."""
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    if get_origin(annotation) in {Union, UnionType}:
        forms = {form(part) for part in get_args(annotation) if part is not type(None)}
        return forms.pop() if len(forms) == 1 else ""
    if get_origin(annotation) is Annotated:
        return form(get_args(annotation)[0])
    return _FORMS.get(annotation, "")


def envoy(
    gateway: str, collector: dict[str, Any] | None, public_tls_port: str | None, sampled: int | str = MILLION
) -> str:
    """Envoy's configuration for a container whose gateway and trace collector have these names, `sampled` of a million.

    It serves TLS if there is a port by which clients reach that, which may be known only where the container starts.
    """
    text = rendered_envoy(
        listen={"hosts": ["0.0.0.0"], "port": 8080},
        tls=public_tls_port
        and {"port": 8443, "public_port": public_tls_port, "certificate": "/etc/envoy/certificate.yaml"},
        gateway={"host": gateway, "port": 8080},
        admin={"host": "127.0.0.1", "port": 9901},
        operations={"host": "0.0.0.0", "port": 9902},
        otlp=collector,
        sampled_millionths=sampled,
    )
    return _HEAD.format(source="deploy/envoy/envoy.yaml.j2") + text + "\n"


def alone(process: str, values: dict[str, Any]) -> str:
    """The values by which charts/service is the release of one process."""
    own = {key: value for key, value in values[process].items() if key != "enabled"}
    shared = values["global"] | {"instance": "neoforge"}
    body = yaml.safe_dump({"name": process, **own, "global": shared}, sort_keys=False, width=1_000)
    return _HEAD.format(source="deploy/helm/neoforge/values.yaml") + body


def rendered(values: Path) -> str:
    """What the chart makes of these values."""
    program = shutil.which("helm", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}") or "helm"
    command = [program, "template", "neoforge", CHART, "--namespace", "neoforge", "--values", values]
    done = subprocess.run(  # noqa: S603 - the program of the development environment
        [*command, "--kube-version", KUBERNETES, "--api-versions", "monitoring.coreos.com/v1"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"helm template with {values.relative_to(ROOT)}:\n{done.stderr}")
    # Dashboards stand in ops/grafana already, and nobody reads them here.
    objects = [part for part in done.stdout.split("\n---\n") if "-dashboard-" not in part]
    return _HEAD.format(source=f"the chart and {values.relative_to(ROOT)}") + "\n---\n".join(objects)


def observability() -> dict[Path, str]:
    """What the chart carries of ops/, since Helm reads nothing else: alerts as they are, dashboards on a line."""
    files = {CHART / "files" / "service.sql": (ROOT / "ops" / "sql" / "service.sql").read_text()}
    runbooks = tomllib.loads((ROOT / "ops" / "watching.toml").read_text())["runbooks"].rstrip("/")
    for rules in sorted((ROOT / "ops" / "prometheus" / "rules").glob("*.yml")):
        text = rules.read_text().replace(runbooks, "RUNBOOKS_URL")
        # Who is expected in a release is for its values to say.
        files[CHART / "files" / "rules" / rules.name] = re.sub(r"(?<=expr: )absent\(up\{.*", "EXPECTED", text)
    scrape = ROOT / "ops" / "prometheus" / "prometheus.yml"
    if scrape.is_file():
        alerting = {"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]}}
        body = yaml.safe_dump(yaml.safe_load(scrape.read_text()) | alerting, sort_keys=False)
        files[DEPLOY / "compose" / "prometheus.yml"] = _HEAD.format(source="ops/prometheus/prometheus.yml") + body
    for dashboard in sorted((ROOT / "ops" / "grafana" / "dashboards").glob("*.json")):
        compact = json.dumps(json.loads(dashboard.read_text()), separators=(",", ":"))
        files[CHART / "files" / "dashboards" / dashboard.name] = compact.replace(runbooks, "RUNBOOKS_URL") + "\n"
    return files


def write(files: dict[Path, str], *, check: bool) -> list[Path]:
    """Write the files whose text is another now, or only say which."""
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    if not check:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    return stale


def strays(made: Iterable[Path]) -> list[Path]:
    """What lies among the generated files and is none of them."""
    known = set(made)
    folders = (
        CHART / "services",
        CHART / "files" / "rules",
        CHART / "files" / "dashboards",
        CHART / "examples" / "rendered",
    )
    return [path for folder in folders for path in folder.glob("*") if path not in known]


def main() -> int:
    """Write the files, or with --check say which are not what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    known, processes = settings(), ["gateway", *services()]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    inputs = {
        DEPLOY / "envoy" / "compose.yaml": envoy(
            "gateway", {"host": "otel-collector", "port": 4317, "tls": False}, "%ENVIRONMENT(EDGE_TLS_PORT)%"
        ),
        **{
            CHART / "files" / f"envoy{encrypted}{traced}.yaml": envoy("GATEWAY_HOST", collector, port, "SAMPLED")
            for encrypted, port in (("", None), ("-tls", "EDGE_TLS_PORT"))
            for traced, collector in COLLECTORS.items()
        },
        CHART / "files" / "certificate.yaml": (DEPLOY / "envoy" / "certificate.yaml").read_text(),
        CHART / "values.schema.json": json.dumps(schema.of_the_whole(known, processes), indent=2) + "\n",
        SERVICE_CHART / "values.schema.json": json.dumps(schema.of_a_process(known, processes), indent=2) + "\n",
        **observability(),
        **{CHART / "services" / f"{process}.yaml": alone(process, values) for process in processes},
    }
    stale = write(inputs, check=check)
    examples = {
        CHART / "examples" / "rendered" / path.name: rendered(path)
        for path in sorted((CHART / "examples").glob("*.yaml"))
    }
    stale += write(examples, check=check)
    others = strays([*inputs, *examples])
    if check:
        for path in stale + others:
            print(f"{path.relative_to(ROOT)} is not what `make gen` makes", file=sys.stderr)
        return bool(stale or others)
    for path in others:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
