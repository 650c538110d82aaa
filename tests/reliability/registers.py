"""A history of what clients asked of versioned resources, and whether one order of events explains all of it.

Each resource is a register whose versions number its writes. Then a history is linearizable (Herlihy and Wing, 1990) if
and only if the order of versions agrees with the order in which operations followed each other in real time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One operation that was answered: when it was asked for and when its answer was there, in seconds."""

    resource: str
    began: float
    ended: float
    version: int
    value: str
    wrote: bool
    """Whether it made this version, or read it."""


def violations(history: Sequence[Event]) -> Iterator[str]:
    """Say what no order of events explains."""
    for resource in sorted({event.resource for event in history}):
        events = [event for event in history if event.resource == resource]
        yield from _two_values(events)
        yield from _out_of_order(events)
        yield from _ahead_of_its_write(events)


def _two_values(events: Sequence[Event]) -> Iterator[str]:
    """A version has one value, and one write made it."""
    made: dict[int, Event] = {}
    for event in events:
        if event.wrote and event.version in made:
            yield f"two writes made one version: {made[event.version]} and {event}"
        if event.wrote:
            made[event.version] = event
    for event in events:
        known = made.get(event.version)
        if known is not None and known.value != event.value:
            yield f"a value that was not written: {event}, though {known}"


def _out_of_order(events: Sequence[Event]) -> Iterator[str]:
    """What began after something had been seen does not see less, nor does a write make less."""
    by_end = sorted(events, key=lambda event: event.ended)
    newest: Event | None = None
    position = 0
    for event in sorted(events, key=lambda event: event.began):
        while position < len(by_end) and by_end[position].ended < event.began:
            if newest is None or by_end[position].version > newest.version:
                newest = by_end[position]
            position += 1
        if newest is None:
            continue
        if event.version < newest.version:
            yield f"stale: {event}, after {newest}"
        elif event.wrote and event.version == newest.version:
            yield f"seen before it was written: {event}, after {newest}"


def _ahead_of_its_write(events: Sequence[Event]) -> Iterator[str]:
    """Nothing is seen before somebody asked for it to be written."""
    asked = {event.version: event.began for event in events if event.wrote}
    for event in events:
        if not event.wrote and event.version in asked and event.ended < asked[event.version]:
            yield f"seen before anyone asked for it: {event}"
