"""What an installation decides about watching (watching.toml): what is promised, and where runbooks are published."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.catalogue import ROOT

from chassis.metrics import LATENCY_BUCKETS_S

DECIDED = ROOT / "ops" / "watching.toml"
FASTEST_BURN = 14.4
"""So many times too fast the budget is spent when someone is woken at once (slo.py)."""
ENVOY_BUCKETS_MS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)
"""Source: Envoy, source/common/stats/histogram_impl.cc, the bounds of a histogram that is not configured."""


@dataclass(frozen=True)
class Promise:
    """That `percent` of requests are answered, within `within_ms` where that is promised.

    Raises:
        ValueError: the promise could not be watched.
    """

    percent: float
    within_ms: int | None = None

    def __post_init__(self) -> None:
        if not self.percent < 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"{self.percent:g} % leaves no budget to be watched")
        if self.budget * FASTEST_BURN >= 1:
            raise ValueError(f"{self.percent:g} % leaves so much budget that nobody would ever be woken")
        if self.within_ms is not None:
            counted = {bound * 1_000 for bound in LATENCY_BUCKETS_S} & set(ENVOY_BUCKETS_MS)
            if self.within_ms not in counted:
                bounds = ", ".join(f"{bound:g}" for bound in sorted(counted))
                raise ValueError(f"within {self.within_ms} ms is not counted, only within {bounds}")

    @property
    def budget(self) -> float:
        """The share of requests that may go wrong."""
        return round(1 - self.percent / 100, 9)

    @property
    def text(self) -> str:
        """The promise in words."""
        within = "" if self.within_ms is None else f" within {self.within_ms} ms"
        return f"{self.percent:g} % of requests are answered{within}"


def _decided() -> dict[str, Any]:
    return tomllib.loads(DECIDED.read_text(encoding="utf-8"))


RUNBOOKS: str = _decided()["runbooks"].rstrip("/")
AVAILABILITY = Promise(**_decided()["availability"])
LATENCY = Promise(**_decided()["latency"])
WITHIN_MS = LATENCY.within_ms or 0
SLOWER = f"Slower than {WITHIN_MS} ms"


def table() -> Iterator[str]:
    """Write the table of promises in docs/watching.md."""
    yield "| Promise, over 30 days | At the edge | Of a service |"
    yield "|---|---|---|"
    yield (
        f"| {AVAILABILITY.percent:g} % of requests are answered "
        "| Envoy's answers that are not `5xx`; while there is no Envoy, none "
        "| calls whose callers did not get `UNAVAILABLE`, `INTERNAL`, `UNKNOWN`, `DATA_LOSS` or `DEADLINE_EXCEEDED` |"
    )
    yield (
        f"| {LATENCY.percent:g} % within {WITHIN_MS} ms | Envoy's time of a request "
        "| the callers' time of calls that were answered |"
    )
