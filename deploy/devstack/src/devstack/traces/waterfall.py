"""A trace as rows from top to bottom, each below what caused it; pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from devstack.traces.store import Span, Trace

KINDS: Final = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
COLOURS: Final = 8
_DEEPEST: Final = 40
_US, _MS, _S = 1_000, 1_000_000, 1_000_000_000
_THINNEST: Final = 0.15
"""Per cent of the width; what took no time is seen too."""


@dataclass(frozen=True)
class Row:
    """A span in its place: how deep below the root, from where to where in per cent of the trace's time."""

    span: Span
    depth: int
    left: float
    width: float
    orphan: bool
    """Its parent has not come (yet), or was dropped."""

    @property
    def kind(self) -> str:
        """The span's kind in words."""
        return KINDS.get(self.span.kind, "internal")

    @property
    def duration(self) -> str:
        """How long it took, for people."""
        return duration(self.span.ended_ns - self.span.started_ns)


def rows(trace: Trace) -> list[Row]:
    """Lay the trace out: children below their parent by their start; a circle of parents is cut open."""
    start, total = trace.started_ns, max(1, trace.duration_ns)
    children: dict[str, list[Span]] = {}
    for span in sorted(trace.spans.values(), key=lambda each: (each.started_ns, each.ended_ns)):
        children.setdefault(span.parent if span.parent in trace.spans else "", []).append(span)
    laid: list[Row] = []
    seen: set[str] = set()

    def lay(first: Span) -> None:
        waiting = [(first, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span.span_id in seen:
                continue
            seen.add(span.span_id)
            left = 100 * (span.started_ns - start) / total
            width = max(_THINNEST, 100 * (span.ended_ns - span.started_ns) / total)
            orphan = bool(span.parent) and span.parent not in trace.spans
            laid.append(Row(span, min(depth, _DEEPEST), round(min(left, 100 - _THINNEST), 3), round(width, 3), orphan))
            waiting += [(child, depth + 1) for child in reversed(children.get(span.span_id, []))]

    for top in children.get("", []):
        lay(top)
    for span in trace.spans.values():  # what is left has no way up to a root
        lay(span)
    return laid


def ticks(total_ns: int) -> list[tuple[float, str]]:
    """Give the marks of the time axis, in per cent and in words."""
    return [(25.0 * part, duration(total_ns * part // 4)) for part in range(5)]


def duration(ns: int) -> str:
    """Give a length of time with about three digits."""
    for unit, name in ((_S, "s"), (_MS, "ms")):
        if ns >= unit:
            value = ns / unit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {name}"  # noqa: PLR2004 - three digits
    return f"{ns / _US:.0f} µs" if ns else "0"


def clock(ns: int) -> str:
    """Give a moment as the time of its day in UTC."""
    return datetime.fromtimestamp(ns / _S, UTC).strftime("%H:%M:%S.%f")[:-3]


def colour(service: str) -> int:
    """Give the number of a service's colour, the same in every trace and after every start."""
    known = {"envoy": 0, "gateway": 1, "projects": 2, "support": 3, "community": 4, "status": 5, "auth": 6}
    return known.get(service, zlib.crc32(service.encode()) % COLOURS)
