"""How everything fares: computed from the last events, the open incidents and the windows that are open; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from status.model.components import Component, Event, Status
from status.model.incidents import Impact, Incident
from status.model.maintenances import Phase, Window


class Indicator(IntEnum):
    """How everything fares, ascending; the names are those of Atlassian Statuspage."""

    NONE = 0
    MAINTENANCE = 1
    MINOR = 2
    MAJOR = 3
    CRITICAL = 4

    @property
    def description(self) -> str:
        """Say it in a few words."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS: Final = {
    Indicator.NONE: "All Systems Operational",
    Indicator.MAINTENANCE: "Service Under Maintenance",
    Indicator.MINOR: "Partially Degraded Service",
    Indicator.MAJOR: "Partial System Outage",
    Indicator.CRITICAL: "Major System Outage",
}
_OF_STATUS: Final = {
    Status.OPERATIONAL: Indicator.NONE,
    Status.MAINTENANCE: Indicator.MAINTENANCE,
    Status.DEGRADED: Indicator.MINOR,
    Status.PARTIAL_OUTAGE: Indicator.MAJOR,
    Status.MAJOR_OUTAGE: Indicator.MAJOR,
}
_OF_IMPACT: Final = {
    Impact.NONE: Indicator.NONE,
    Impact.MINOR: Indicator.MINOR,
    Impact.MAJOR: Indicator.MAJOR,
    Impact.CRITICAL: Indicator.CRITICAL,
}


@dataclass(frozen=True)
class State:
    """A component and how it fares, since when, and what was said of that."""

    component: Component
    status: Status
    since: datetime
    message: str


def state(component: Component, last: Event, windows: Iterable[Window], now: datetime) -> State:
    """Give how a component fares: as its last event says, or maintenance while a window covers it.

    An event that came since the window began and says that people miss more than was announced counts more.
    """
    covering = [w for w in windows if component.id in w.component_ids and w.phase(now) is Phase.IN_PROGRESS]
    if covering:
        since = min(window.starts_at for window in covering)
        if not (last.status.is_trouble and last.created_at >= since):
            return State(component, Status.MAINTENANCE, max(since, component.created_at), "")
    return State(component, last.status, last.created_at, last.message)


def overall(
    statuses: Sequence[Status], incidents: Iterable[Incident], windows: Iterable[Window], now: datetime
) -> Indicator:
    """Give the worst of what components, open incidents and open windows say.

    It is critical as well when every component is out.
    """
    signs = [_OF_STATUS[status] for status in statuses]
    signs += [_OF_IMPACT[incident.impact] for incident in incidents if incident.is_open]
    signs += [Indicator.MAINTENANCE for window in windows if window.phase(now) is Phase.IN_PROGRESS]
    if statuses and all(status is Status.MAJOR_OUTAGE for status in statuses):
        signs.append(Indicator.CRITICAL)
    return max(signs, default=Indicator.NONE)
