"""When the prober says that a component went down or came up: not at the first sign; pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from status.model.components import Event, Source, Status


@dataclass(frozen=True)
class Patience:
    """How many failures in a row make an outage, and how many successes in a row end it."""

    failures: int
    successes: int


@dataclass(frozen=True)
class Result:
    """What one look at a target found; `problem` is empty when it answered as it should."""

    component_id: UUID
    problem: str

    @property
    def good(self) -> bool:
        """Whether it answered as it should."""
        return not self.problem


@dataclass(frozen=True)
class Watch:
    """The results in a row so far; one of the two counts is 0. `seen_at` is when the last run was due."""

    component_id: UUID
    failures: int
    successes: int
    seen_at: datetime

    def after(self, result: Result, last: Event, due_at: datetime) -> Self:
        """Count a result; what a person has said since the last one makes the count begin anew."""
        anew = last.source is Source.PERSON and last.created_at > self.seen_at
        failures, successes = (0, 0) if anew else (self.failures, self.successes)
        if result.good:
            return replace(self, failures=0, successes=successes + 1, seen_at=due_at)
        return replace(self, failures=failures + 1, successes=0, seen_at=due_at)

    def verdict(self, last: Event, patience: Patience, *, in_maintenance: bool) -> Status | None:
        """Give what is to be said of the component now, or None for nothing.

        An outage that a person has told of stays theirs to end; during maintenance nothing is said.
        """
        if in_maintenance or last.status is Status.MAINTENANCE:
            return None
        known_out = last.status in {Status.PARTIAL_OUTAGE, Status.MAJOR_OUTAGE}
        if self.failures >= patience.failures and not known_out:
            return Status.MAJOR_OUTAGE
        if self.successes >= patience.successes and known_out and last.source is Source.PROBER:
            return Status.OPERATIONAL
        return None
