"""The newest traces, in memory: how many traces, spans and bytes are kept is bounded, whatever comes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST_TRACES: Final = 500
MOST_SPANS: Final = 20_000
"""Of all traces; the oldest trace makes room."""
MOST_SPANS_OF_A_TRACE: Final = 2_000
LONGEST_TEXT: Final = 2_000
"""Characters of a name, value or message; what is longer is cut."""
MOST_ATTRIBUTES: Final = 64
MOST_EVENTS: Final = 16

SERVER, CONSUMER = 2, 5
"""Span kinds by their numbers in OTLP: what a service was asked for, and a job."""
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a span, such as an exception."""

    name: str
    at_ns: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that a span has to do with."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class Span:
    """A span; ids are hex, `parent` is empty at a root, times are nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent: str
    service: str
    name: str
    kind: int
    started_ns: int
    ended_ns: int
    failed: bool
    message: str
    attributes: Mapping[str, Any]
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    process: str = ""
    """What made it for the service, `serve` or `worker`, where that was told; and which of them."""
    instance: str = ""


@dataclass(slots=True)
class Trace:
    """The spans of one trace that have come, and what a list shows of them; `dropped` came beyond what is kept."""

    id: str
    spans: dict[str, Span] = field(default_factory=dict)
    dropped: int = 0

    @property
    def started_ns(self) -> int:
        """When its first span started."""
        return min(span.started_ns for span in self.spans.values())

    @property
    def duration_ns(self) -> int:
        """From its first start to its last end."""
        return max(span.ended_ns for span in self.spans.values()) - self.started_ns

    @property
    def root(self) -> Span:
        """The span that everything hangs on: without a parent, or else the first."""
        return min(self.spans.values(), key=lambda span: (bool(span.parent), span.started_ns))

    @property
    def failed(self) -> bool:
        """Whether a span of it failed."""
        return any(span.failed for span in self.spans.values())

    @property
    def title(self) -> str:
        """What was asked for: the name with a route, or that of the root with the path or the kind of the job."""
        routed = (span.name for span in self.spans.values() if "http.route" in span.attributes)
        root = self.root
        also = root.attributes.get("neoforge.job.kind") or root.attributes.get("url.path", "")
        return next(routed, f"{root.name} {also}".strip())

    @property
    def status(self) -> str:
        """The HTTP status that its caller saw, or how its job ended."""
        for name in ("http.response.status_code", "neoforge.job.outcome", "rpc.status_code"):
            held = [s for s in self.spans.values() if name in s.attributes and s.kind in {SERVER, CONSUMER}]
            if held:
                return str(min(held, key=lambda span: span.started_ns).attributes[name])
        return ""

    @property
    def services(self) -> list[str]:
        """Who took part, in order of appearance."""
        return list(dict.fromkeys(s.service for s in sorted(self.spans.values(), key=lambda span: span.started_ns)))

    def mentions(self, text: str) -> bool:
        """Whether the text is part of its id, of a name, of a value of an attribute or of an error, in any case."""
        wanted = text.casefold()
        return wanted in self.id or any(
            wanted in part.casefold()
            for span in self.spans.values()
            for part in (span.name, span.service, span.message, *map(str, span.attributes.values()))
        )


class Store:
    """Keeps the newest traces; what a late span belongs to is new again."""

    def __init__(self, most_traces: int = MOST_TRACES, most_spans: int = MOST_SPANS) -> None:
        self._most_traces, self._most_spans = most_traces, most_spans
        self._lock = Lock()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._count = 0

    def add(self, spans: Iterable[Span]) -> None:
        """Keep spans."""
        with self._lock:
            for span in spans:
                trace = self._traces.setdefault(span.trace_id, Trace(span.trace_id))
                self._traces.move_to_end(span.trace_id)
                if span.span_id not in trace.spans and len(trace.spans) >= MOST_SPANS_OF_A_TRACE:
                    trace.dropped += 1
                    continue
                self._count += span.span_id not in trace.spans
                trace.spans[span.span_id] = span
            while len(self._traces) > self._most_traces or (self._count > self._most_spans and len(self._traces) > 1):
                _, oldest = self._traces.popitem(last=False)
                self._count -= len(oldest.spans)

    def newest(self, text: str = "", *, failed: bool = False, limit: int = 100) -> list[Trace]:
        """Give copies of the newest traces that mention the text, the newest first."""
        with self._lock:
            found = (
                trace
                for trace in reversed(self._traces.values())
                if trace.spans and (not failed or trace.failed) and (not text or trace.mentions(text))
            )
            return [_copy(trace) for trace, _ in zip(found, range(limit), strict=False)]

    def get(self, trace_id: str) -> Trace | None:
        """Give a copy of a trace, or None."""
        with self._lock:
            trace = self._traces.get(trace_id)
            return _copy(trace) if trace is not None and trace.spans else None

    @property
    def counts(self) -> tuple[int, int]:
        """How many traces and how many spans are kept."""
        with self._lock:
            return len(self._traces), self._count


def _copy(trace: Trace) -> Trace:
    return Trace(trace.id, dict(trace.spans), trace.dropped)
