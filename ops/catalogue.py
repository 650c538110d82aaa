"""The register of metrics (metrics.toml), its page in the documentation, and what queries use of it."""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
REGISTER = ROOT / "ops" / "metrics.toml"
SERVICES = tuple(sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")))
OWN = frozenset({"gateway", "service", "auth", "worker"})
OF_PROMETHEUS = frozenset({"service", "process", "job", "instance", "le"})
"""Labels that come from targets, and the bounds of histograms."""

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_BRACED = re.compile(r"\{[^{}]*\}|\[[^]]*\]")
_FUNCTION = re.compile(r"[a-zA-Z_]\w*(?=\s*\()")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_WORDS = frozenset(
    {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset"}
)
_PARTS = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}


_INTRODUCTION = """
# Metrics

<!-- made by `make gen` from ops/metrics.toml -->

Every process has its own `/metrics`: the gateway on its port (in production, not for what came
through a proxy), services and workers on `NEOFORGE_OPS_LISTEN`.
Who asks by `Accept` for OpenMetrics gets it, with exemplars (the `trace_id` of a sampled request) on the histograms of
requests and calls; all others get Prometheus' text format. Each process is a target of its own, so the numbers of one
that died end with it.
Prometheus adds the labels `service` (`gateway`, `projects`, ...) and `process` (`serve`, `worker`) from its targets.

Labels have few values: routes are templates, with `unmatched` for addresses that there are not; unknown
methods are `other`. How these names become dashboards and alerts is told in [Watching](watching.md).
"""


@dataclass(frozen=True)
class Metric:
    """One entry of the register."""

    name: str
    type: str
    labels: tuple[str, ...]
    unit: str
    sources: tuple[str, ...]
    meaning: str
    max: bool = False

    @property
    def ours(self) -> bool:
        """Whether code of this repository tells it."""
        return not OWN.isdisjoint(self.sources)

    @property
    def series(self) -> tuple[str, ...]:
        """The names of its series."""
        return tuple(self.name + part for part in _PARTS[self.type])


@cache
def register() -> dict[str, Metric]:
    """Read the register, by name."""
    entries = tomllib.loads(REGISTER.read_text(encoding="utf-8"))
    return {
        name: Metric(name=name, **{**entry, "labels": tuple(entry["labels"]), "sources": tuple(entry["sources"])})
        for name, entry in entries.items()
    }


def of_series(metrics: dict[str, Metric]) -> dict[str, Metric]:
    """Give each metric by the names of its series."""
    return {series: metric for metric in metrics.values() for series in metric.series}


def names_in(query: str) -> set[str]:
    """Give the names of series that a PromQL query reads."""
    bare = _GROUPING.sub(" ", _TEXT.sub(" ", query))
    bare = _FUNCTION.sub(" ", _BRACED.sub(" ", bare))
    return set(_NAME.findall(re.sub(r"(?<![\w:])[0-9][\w.]*", " ", bare))) - _WORDS


def matchers_in(query: str) -> Iterator[tuple[str, str]]:
    """Give the pairs of series and label that a query selects by."""
    for name, selected in re.findall(r"([a-zA-Z_:][\w:]*)\{((?:[^{}\"]|\"(?:[^\"\\]|\\.)*\")*)\}", query):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _TEXT.sub('""', selected)):
            yield name, label


def page() -> str:
    """Write docs/metrics.md."""
    metrics = register()
    sections: dict[str, Callable[[Metric], bool]] = {
        "Every process": lambda m: set(m.sources) >= {"gateway", "service", "worker"},
        "The gateway": lambda m: m.sources == ("gateway",),
        "The gateway and others": lambda m: "gateway" in m.sources,
        "Services": lambda m: bool({"service", "auth"} & set(m.sources)),
        "Workers": lambda m: "worker" in m.sources,
        "From elsewhere": lambda m: not m.ours,
    }
    parts = [_INTRODUCTION.strip()]
    told: set[str] = set()
    for title, belongs in sections.items():
        rows = [m for m in metrics.values() if m.name not in told and belongs(m)]
        told |= {m.name for m in rows}
        parts += [f"## {title}", "\n".join(_table(rows, whose=title not in {"Every process", "The gateway"}))]
    return "\n\n".join(parts) + "\n"


_WHO = {"service": "every service", "worker": "every worker"}


def _table(rows: list[Metric], *, whose: bool) -> Iterator[str]:
    yield "| Metric | Type | Unit | Meaning |" + (" By |" if whose else "")
    yield "|---|---|---|---|" + ("---|" if whose else "")
    for m in rows:
        labels = f"{{{','.join(m.labels)}}}" if m.labels else ""
        also = "; of several processes take the maximum" if m.max and m.ours else ""
        yield f"| `{m.name}{labels}` | {m.type} | {m.unit} | {m.meaning}{also} |" + (
            f" {', '.join(_WHO.get(source, source) for source in m.sources)} |" if whose else ""
        )
