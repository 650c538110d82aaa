"""A ticket: its fields, the legal moves of its status, and what becomes of it when someone acts; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_labels, check_text
from support.errors import ForAgents, IllegalMove, TicketClosed
from support.model.targets import Priority, Promise, Targets

MAX_SUBJECT: Final = 200
MAX_LABELS: Final = 20
MAX_LABEL: Final = 50
MAX_EMAIL: Final = 254
MAX_SEARCH: Final = 200

_OF_CUSTOMERS: Final = frozenset({"subject", "status", "contact_email"})
"""What a customer may change on their own ticket; of the status, only to solved."""


class Status(StrEnum):
    """Where a ticket stands: agents have to act, the requester has to, it is done, it is done for good."""

    OPEN = "open"
    PENDING = "pending"
    SOLVED = "solved"
    CLOSED = "closed"

    @property
    def moves(self) -> "frozenset[Status]":
        """Where an agent may move it from here."""
        return _MOVES[self]


_MOVES: Final = {
    Status.OPEN: frozenset({Status.PENDING, Status.SOLVED}),
    Status.PENDING: frozenset({Status.OPEN, Status.SOLVED}),
    Status.SOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset[Status](),
}


@dataclass(frozen=True)
class Change:
    """One field of a ticket that was changed, its values as text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Ticket:
    """A ticket; `version` is 1 when opened and one more with each change, public reply or missed target."""

    id: UUID
    subject: str
    status: Status
    priority: Priority
    requester_id: UUID
    assignee_id: UUID | None
    labels: tuple[str, ...]
    contact_email: str
    created_at: datetime
    updated_at: datetime
    version: int
    targets: Targets

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        opened_by: UUID,
        by_agent: bool,
        requester_id: UUID | None,
        assignee_id: UUID | None,
        subject: str,
        priority: Priority,
        labels: tuple[str, ...],
        contact_email: str,
        promise: Promise,
        now: datetime,
    ) -> Self:
        """Open a ticket, for whoever opens it or, as an agent, for someone else.

        Raises:
            InvalidFields: fields break their rules.
            ForAgents: a customer names a requester or an assignee, or labels it.
        """
        requester_id = requester_id or opened_by
        if not by_agent and requester_id != opened_by:
            raise ForAgents("opening a ticket for someone else")
        if not by_agent and assignee_id is not None:
            raise ForAgents("assigning a ticket")
        made = cls(
            id=id,
            subject=subject,
            status=Status.OPEN,
            priority=priority,
            requester_id=requester_id,
            assignee_id=assignee_id,
            labels=labels,
            contact_email=contact_email,
            created_at=now,
            updated_at=now,
            version=1,
            targets=Targets.start(promise, priority, now, responded=requester_id != opened_by),
        )
        made.check()
        if not by_agent and labels:
            raise ForAgents("labelling a ticket")
        return made

    def check(self) -> None:
        """Hold the fields against their rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("subject", self.subject, MAX_SUBJECT, least=1),
            *check_labels("labels", self.labels, MAX_LABELS, MAX_LABEL),
        ]
        if violations:
            raise InvalidFields.of(violations)

    def at(self, now: datetime) -> Self:
        """Give the ticket with the targets that it has missed by `now`; each moves the version by one."""
        targets = self.targets.at(now)
        missed = len(targets.breaches) - len(self.targets.breaches)
        return replace(self, targets=targets, version=self.version + missed) if missed else self

    def changed(self, changes: Mapping[str, Any], *, by_agent: bool, promise: Promise, now: datetime) -> Self:
        """Give the ticket with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
            TicketClosed: it is closed.
            ForAgents: a customer changes what is not theirs to change.
            IllegalMove: the status cannot move this way.
        """
        made = replace(self, **changes)
        if made == self:
            return self
        if self.status is Status.CLOSED:
            raise TicketClosed
        made.check()
        if not by_agent:
            self._check_customer(made)
        targets = self.targets
        if made.priority is not self.priority:
            targets = targets.promised(promise, made.priority, self.created_at, now)
        if made.status is not self.status:
            if made.status not in self.status.moves:
                raise IllegalMove(self.status, made.status)
            targets = _moved(targets, made.status, now)
        return replace(made, targets=targets.at(now), updated_at=now, version=self.version + 1)

    def replied(self, author: UUID, now: datetime) -> Self:
        """Give the ticket after a public message: the requester's reopens it, anyone else's is a response.

        Raises:
            TicketClosed: it is closed.
        """
        if self.status is Status.CLOSED:
            raise TicketClosed
        status, targets = self.status, self.targets
        if author != self.requester_id:
            targets = targets.responded(now)
        elif status is not Status.OPEN:
            status, targets = Status.OPEN, targets.running(now)
        return replace(self, status=status, targets=targets.at(now), updated_at=now, version=self.version + 1)

    def changes_from(self, before: "Ticket") -> tuple[Change, ...]:
        """Give which fields that people set differ from `before`."""
        pairs = ((name, _text(getattr(before, name)), _text(getattr(self, name))) for name in _NOTED)
        return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])

    def missed_since(self, before: "Ticket") -> tuple[Change, ...]:
        """Give which targets were missed since `before`."""
        names = set(self.targets.breaches) - set(before.targets.breaches)
        return tuple(Change(f"{name}_breached", "false", "true") for name in sorted(names))

    def _check_customer(self, made: "Ticket") -> None:
        foreign = [f.name for f in fields(self) if getattr(self, f.name) != getattr(made, f.name)]
        for name in foreign:
            if name not in _OF_CUSTOMERS:
                raise ForAgents(f"changing {name}")
        if made.status not in {self.status, Status.SOLVED}:
            raise ForAgents(f"moving the status to {made.status}")


_NOTED: Final = ("subject", "status", "priority", "assignee_id", "labels", "contact_email")


@dataclass(frozen=True)
class Filter:
    """Which tickets a list holds; None and empty mean any."""

    status: Status | None = None
    priority: Priority | None = None
    assignee_id: UUID | None = None
    unassigned: bool = False
    labels: tuple[str, ...] = ()
    requester_id: UUID | None = None
    overdue: bool = False
    text: str = ""

    def check(self) -> None:
        """Hold the filter against its rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("text", self.text, MAX_SEARCH),
            *check_labels("labels", self.labels, MAX_LABELS, MAX_LABEL),
        ]
        if self.unassigned and self.assignee_id is not None:
            violations.append(Violation("unassigned", "cannot stand together with assignee_id"))
        if violations:
            raise InvalidFields.of(violations)


def _moved(targets: Targets, status: Status, now: datetime) -> Targets:
    if status is Status.OPEN:
        return targets.running(now)
    if status is Status.CLOSED:
        return targets
    return targets.standing(now, solved=status is Status.SOLVED)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Priority):
        return value.label
    return ", ".join(value) if isinstance(value, tuple) else str(value)
