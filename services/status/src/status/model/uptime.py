"""How long a component fared how on each of the last days; pure. Days are those of UTC.

Time before a component existed, and time yet to come, is no data. Time in maintenance, by a window or by an event, is
not measured. Of what is measured a major outage counts whole as downtime, a partial one by 30 per cent, the rest not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from status.model.components import Event, Status
from status.model.maintenances import Window

MAX_DAYS: Final = 90
DAY: Final = timedelta(days=1)
_NOTHING: Final = timedelta(0)
_DOWN: Final[Mapping[Status, float]] = {Status.MAJOR_OUTAGE: 1.0, Status.PARTIAL_OUTAGE: 0.3}


@dataclass(frozen=True)
class Day:
    """A day and how long of it the component fared how; `no_data` is what is left of the 24 hours."""

    date: date
    spent: Mapping[Status, timedelta]

    @property
    def no_data(self) -> timedelta:
        """How long of the day nothing is known."""
        return DAY - sum(self.spent.values(), _NOTHING)

    @property
    def uptime(self) -> float | None:
        """The share of the measured time that it was up, 0 to 1; None if nothing was measured."""
        return uptime([self])


def uptime(days: Iterable[Day]) -> float | None:
    """Give the share of the measured time of all these days that the component was up, or None."""
    measured = down = 0.0
    for day in days:
        for status, length in day.spent.items():
            if status is not Status.MAINTENANCE:
                measured += length.total_seconds()
                down += length.total_seconds() * _DOWN.get(status, 0.0)
    return None if measured == 0 else max(0.0, 1.0 - down / measured)


def first_moment(now: datetime, days: int) -> datetime:
    """Give when the first of the last `days` days began, today included."""
    return datetime.combine(now.astimezone(UTC).date() - timedelta(days=days - 1), time(), UTC)


def bars(events: Sequence[Event], windows: Iterable[Window], now: datetime, days: int) -> list[Day]:
    """Give the last days of a component, the oldest first.

    Args:
        events: of that component by time, at least all since the last one before the first day.
        windows: that cover the component.
        now: what is after it has not happened.
        days: how many, today included.
    """
    start = first_moment(now, days)
    closed = _merged(windows)
    spent: list[dict[Status, timedelta]] = [{} for _ in range(days)]
    ends = [*(event.created_at for event in events[1:]), now]
    for event, end in zip(events, ends, strict=False):
        for begun, over, status in _split(max(event.created_at, start), min(end, now), event.status, closed):
            _spend(spent, start, begun, over, status)
    return [Day((start + i * DAY).date(), found) for i, found in enumerate(spent)]


def _merged(windows: Iterable[Window]) -> list[tuple[datetime, datetime]]:
    """The windows as spans that don't overlap."""
    spans: list[tuple[datetime, datetime]] = []
    for begun, over in sorted((window.starts_at, window.ends_at) for window in windows):
        if spans and begun <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], over)
        else:
            spans.append((begun, over))
    return spans


def _split(
    begun: datetime, over: datetime, status: Status, closed: Sequence[tuple[datetime, datetime]]
) -> Iterable[tuple[datetime, datetime, Status]]:
    """Cut a span where windows open and close; inside them it is maintenance."""
    for opens, closes in closed:
        if closes <= begun or opens >= over:
            continue
        yield begun, max(begun, opens), status
        yield max(begun, opens), min(over, closes), Status.MAINTENANCE
        begun = min(over, closes)
    yield begun, over, status


def _spend(
    spent: list[dict[Status, timedelta]], start: datetime, begun: datetime, over: datetime, status: Status
) -> None:
    """Add a span to the days that it lies in."""
    while begun < over:
        i = (begun - start) // DAY
        end = min(over, start + (i + 1) * DAY)
        spent[i][status] = spent[i].get(status, _NOTHING) + (end - begun)
        begun = end
