"""When an agent has to have replied and solved, by priority; pure.

As in Zendesk and Zammad, the wait for the first response is plain time from the opening, and the resolution is counted
while the ticket waits for agents: not while it is pending on the requester, and not while it is solved.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, Self


class Priority(IntEnum):
    """How much a ticket presses; the number is what lists are ordered by."""

    LOW = 1
    NORMAL = 2
    HIGH = 3
    URGENT = 4

    @property
    def label(self) -> str:
        """Its name in settings, texts and the API."""
        return self.name.lower()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Give the names of all."""
        return tuple(priority.label for priority in cls)

    @classmethod
    def named(cls, label: str) -> Self:
        """Give the one of that name."""
        return cls[label.upper()]


@dataclass(frozen=True)
class Promise:
    """How soon the first response and the resolution are promised, by priority."""

    first_response: Mapping[Priority, timedelta]
    resolution: Mapping[Priority, timedelta]


FIRST_RESPONSE: Final = "first_response"
RESOLUTION: Final = "resolution"


@dataclass(frozen=True)
class Targets:
    """The two clocks of a ticket.

    The resolution's runs while `running_since` is set; `run_before` is how long it ran before that. A breach, once
    noted, stays, unless the priority changes the target.
    """

    first_response_due_at: datetime
    first_responded_at: datetime | None
    first_response_breached: bool
    resolution_within: timedelta
    run_before: timedelta
    running_since: datetime | None
    solved_at: datetime | None
    resolution_breached: bool

    @classmethod
    def start(cls, promise: Promise, priority: Priority, now: datetime, *, responded: bool) -> Self:
        """Start both clocks; the first response's is over at once when it has been had."""
        return cls(
            first_response_due_at=now + promise.first_response[priority],
            first_responded_at=now if responded else None,
            first_response_breached=False,
            resolution_within=promise.resolution[priority],
            run_before=timedelta(0),
            running_since=now,
            solved_at=None,
            resolution_breached=False,
        )

    @property
    def waits_for_response(self) -> bool:
        """Whether a first response is still owed."""
        return self.first_responded_at is None and self.solved_at is None

    @property
    def resolution_due_at(self) -> datetime | None:
        """When the resolution is due; None while its clock stands still."""
        if self.running_since is None:
            return None
        return self.running_since + self.resolution_within - self.run_before

    @property
    def due_at(self) -> datetime | None:
        """The sooner of what is still due; None when nothing is."""
        response = self.first_response_due_at if self.waits_for_response else None
        return min((due for due in (response, self.resolution_due_at) if due is not None), default=None)

    @property
    def is_overdue(self) -> bool:
        """Whether something that is noted as missed is still owed."""
        response = self.waits_for_response and self.first_response_breached
        return response or (self.running_since is not None and self.resolution_breached)

    @property
    def breach_at(self) -> datetime | None:
        """When the next target is missed that is not noted as missed yet; None when none can be."""
        response = self.first_response_due_at if self.waits_for_response and not self.first_response_breached else None
        resolution = None if self.resolution_breached else self.resolution_due_at
        return min((due for due in (response, resolution) if due is not None), default=None)

    @property
    def breaches(self) -> tuple[str, ...]:
        """The targets that were missed."""
        missed = ((FIRST_RESPONSE, self.first_response_breached), (RESOLUTION, self.resolution_breached))
        return tuple(name for name, is_missed in missed if is_missed)

    def at(self, now: datetime) -> Self:
        """Give the targets with every breach noted that has come about by `now`; the very same when none has."""
        first = self.first_response_breached or (self.waits_for_response and now > self.first_response_due_at)
        due = self.resolution_due_at
        resolution = self.resolution_breached or (due is not None and now > due)
        if (first, resolution) == (self.first_response_breached, self.resolution_breached):
            return self
        return replace(self, first_response_breached=first, resolution_breached=resolution)

    def responded(self, now: datetime) -> Self:
        """Note the first response, unless there was one."""
        return self if self.first_responded_at is not None else replace(self, first_responded_at=now)

    def running(self, now: datetime) -> Self:
        """Let the resolution's clock run, and forget that the ticket was solved."""
        return replace(self, running_since=self.running_since or now, solved_at=None)

    def standing(self, now: datetime, *, solved: bool) -> Self:
        """Stop the resolution's clock, because the ticket is pending or because it is `solved`."""
        ran = now - self.running_since if self.running_since else timedelta(0)
        return replace(self, run_before=self.run_before + ran, running_since=None, solved_at=now if solved else None)

    def promised(self, promise: Promise, priority: Priority, created_at: datetime, now: datetime) -> Self:
        """Set the targets of another priority, as if it had been so from the opening on."""
        within = promise.resolution[priority]
        ran = self.run_before + (now - self.running_since if self.running_since else timedelta(0))
        due_at = created_at + promise.first_response[priority]
        return replace(
            self,
            first_response_due_at=due_at,
            first_response_breached=(self.first_responded_at or self.solved_at or now) > due_at,
            resolution_within=within,
            resolution_breached=ran > within,
        )
