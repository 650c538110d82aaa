"""The metrics of every process; those of services alone are in service_metrics.py.

Names follow Prometheus' conventions (base units, `_total` for counters). Each process tells its own numbers on its own
port, so that those of a process that died end with it. The register of all names is ops/metrics.toml.
"""

import itertools
import platform
from collections.abc import Iterable, Mapping

from opentelemetry import trace
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

disable_created_metrics()  # type: ignore[no-untyped-call] # it has no annotations; they would double the series for nothing

rpc_client_duration = Histogram(
    "rpc_client_duration_seconds",
    "Time from sending a call to its reply, retries included, by who was called, full method name and gRPC status",
    ("peer", "method", "code"),
    buckets=LATENCY_BUCKETS_S,
)
dependency_up = Gauge(
    "dependency_up",
    "1 while a part that the process needs or is works, else 0: the members of /ready",
    ("dependency",),
)
build_info = Gauge("neoforge_build_info", "Always 1; tells what runs here", ("version", "python"))
certificate_expires = Gauge(
    "tls_certificate_expires_timestamp_seconds",
    "When the certificate expires that the process was started with, in seconds since 1970",
)


def begin(counter: Counter, *values: Iterable[str]) -> None:
    """Have a counter tell 0 from the start for all values of its labels: a rate sees no growth to the first value."""
    for labels in itertools.product(*values):
        counter.labels(*labels)


def tell_build(version: str) -> None:
    """Tell which version of NeoForge this process runs."""
    build_info.labels(version, platform.python_version()).set(1)


def tell_ready(parts: Mapping[str, bool]) -> None:
    """Tell the state of each part, as /ready does."""
    for name, up in parts.items():
        dependency_up.labels(name).set(up)


def exemplar() -> dict[str, str] | None:
    """Give the trace that an observation made now is an example of; None where no trace is kept."""
    span = trace.get_current_span().get_span_context()
    return {"trace_id": f"{span.trace_id:032x}"} if span.trace_flags.sampled else None


def exposition(accept: str) -> tuple[bytes, str]:
    """Give all metrics and their media type: OpenMetrics, which has the exemplars, or by default Prometheus' text."""
    encode, media_type = choose_encoder(accept)
    return encode(REGISTRY), media_type
