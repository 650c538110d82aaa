"""Which traces are recorded where OTEL_TRACES_SAMPLER does not say."""

from typing import Final

RATIO: Final = 0.25
"""The share of those that begin in a process or at Envoy: what keeps their cost below a tenth of the CPU."""
SLOW_S: Final = 0.5
"""A request that took longer is recorded whatever the share; so it is in the collector's policy."""
