from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import tickets_pb2 as pb
from support.model.targets import Priority, Promise, Targets
from support.testing.desk import Clock, Desk

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
PROMISE = Promise(
    {Priority.LOW: timedelta(hours=8), Priority.NORMAL: timedelta(hours=4), Priority.HIGH: timedelta(hours=2),
     Priority.URGENT: timedelta(hours=1)},
    {Priority.LOW: timedelta(hours=80), Priority.NORMAL: timedelta(hours=40), Priority.HIGH: timedelta(hours=20),
     Priority.URGENT: timedelta(hours=10)},
)  # fmt: skip


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def started(priority: Priority = Priority.NORMAL) -> Targets:
    return Targets.start(PROMISE, priority, START, responded=False)


def test_a_ticket_is_due_for_its_first_response_and_then_for_its_resolution() -> None:
    targets = started()
    assert targets.due_at == hour(4)
    targets = targets.responded(hour(3))
    assert (targets.due_at, targets.breaches) == (hour(40), ())
    assert targets.responded(hour(30)).first_responded_at == hour(3)


def test_a_target_is_missed_after_its_moment_and_not_at_it() -> None:
    assert started().at(hour(4)).breaches == ()
    late = started().at(hour(4) + timedelta(microseconds=1))
    assert late.breaches == ("first_response",)
    assert late.responded(hour(5)).at(hour(6)).breaches == ("first_response",)
    assert late.at(hour(41)).breaches == ("first_response", "resolution")


def test_the_resolution_stands_still_while_pending_and_solved_and_the_first_response_does_not() -> None:
    targets = started().standing(hour(1), solved=False)
    assert (targets.resolution_due_at, targets.due_at) == (None, hour(4))
    assert targets.at(hour(1_000)).breaches == ("first_response",)
    targets = targets.responded(hour(3)).running(hour(101))
    assert targets.resolution_due_at == hour(140)
    solved = targets.standing(hour(111), solved=True)
    assert (solved.due_at, solved.solved_at, solved.at(hour(9_999)).breaches) == (None, hour(111), ())
    reopened = solved.running(hour(500))
    assert (reopened.solved_at, reopened.resolution_due_at) == (None, hour(529))


def test_solving_ends_the_wait_for_a_first_response() -> None:
    solved = started().standing(hour(2), solved=True)
    assert (solved.due_at, solved.at(hour(100)).breaches) == (None, ())


def test_another_priority_sets_its_targets_as_if_from_the_start() -> None:
    targets = started(Priority.LOW).standing(hour(3), solved=False).running(hour(50))
    urgent = targets.promised(PROMISE, Priority.URGENT, START, hour(51))
    assert urgent.first_response_due_at == hour(1)
    assert urgent.resolution_due_at == hour(57)
    assert urgent.breaches == ("first_response",)
    back = urgent.at(hour(58)).promised(PROMISE, Priority.LOW, START, hour(58))
    assert back.breaches == ("first_response",)
    answered = started(Priority.URGENT).at(hour(3)).responded(hour(3))
    assert answered.promised(PROMISE, Priority.NORMAL, START, hour(5)).breaches == ()


def test_what_is_overdue_is_what_is_due_and_noted_as_missed() -> None:
    targets = started()
    assert (targets.is_overdue, targets.breach_at) == (False, hour(4))
    late = targets.at(hour(5))
    assert (late.is_overdue, late.breach_at) == (True, hour(40))
    answered = late.responded(hour(6))
    assert (answered.is_overdue, answered.due_at) == (False, hour(40))
    assert answered.at(hour(41)).is_overdue
    assert answered.at(hour(41)).breach_at is None


async def test_a_missed_target_shows_at_once_in_the_ticket_the_list_and_the_version(
    desk: Desk, clock: Clock, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara, priority=pb.PRIORITY_URGENT)
    assert ticket.targets.first_response_due_at.seconds - ticket.created_at.seconds == 3_600
    assert ticket.targets.resolution_due_at.seconds - ticket.created_at.seconds == 8 * 3_600
    assert await desk.subjects(tomas, overdue=True) == []
    clock.passes(minutes=61)
    late = await desk.get(tomas, ticket)
    assert late.targets.first_response_breached
    assert (late.version, late.updated_at) == (2, ticket.updated_at)
    assert list((await desk.tickets(tomas)).tickets) == [late]
    for order in (pb.TICKET_ORDER_DUE_ASC, pb.TICKET_ORDER_PRIORITY_DESC, pb.TICKET_ORDER_CREATED_AT_DESC):
        assert list((await desk.tickets(tomas, overdue=True, order=order)).tickets) == [late]
    changed = await desk.change(tomas, ticket, late.version, labels=["late"])
    assert changed.version == 3
    assert await desk.subjects(tomas, overdue=True) == [ticket.subject]
    answered = (await desk.reply(tomas, ticket)).ticket
    assert answered.targets.first_response_breached
    assert await desk.subjects(tomas, overdue=True) == []
    clock.passes(hours=8)
    assert (await desk.get(tomas, ticket)).targets.resolution_breached
    assert await desk.subjects(tomas, overdue=True) == [ticket.subject]


async def test_a_change_meant_for_a_version_before_a_missed_target_is_refused(
    desk: Desk, clock: Clock, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    clock.passes(hours=9)
    with pytest.raises(RemoteError) as refused:
        await desk.change(tomas, ticket, ticket.version, labels=["late"])
    assert (refused.value.reason, refused.value.metadata) == ("VERSION_MISMATCH", {"version": "2"})


async def test_missed_targets_stand_in_the_history_by_themselves(
    desk: Desk, clock: Clock, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    clock.passes(hours=9)
    await desk.change(tomas, ticket, labels=["late"])
    changed, missed, _created = (await desk.history(mara, ticket)).entries
    assert (changed.event, missed.event, missed.actor_id) == (pb.EVENT_CHANGED, pb.EVENT_BREACHED, "")
    assert [c.field for c in missed.changes] == ["first_response_breached"]
    assert missed.created_at == ticket.targets.first_response_due_at


async def test_a_known_version_is_told_as_unchanged_until_a_target_is_missed(
    call: Client, desk: Desk, clock: Clock, mara: Caller
) -> None:
    ticket = await desk.open(mara)
    request = pb.GetTicketRequest(id=ticket.id, unless_version=ticket.version)
    assert (await call(mara, "GetTicket", request)).unchanged_version == 1
    clock.passes(hours=9)
    assert (await call(mara, "GetTicket", request)).ticket.version == 2


def test_settings_name_every_priority_in_minutes(settings: Any) -> None:
    changed = type(settings)(**settings.model_dump() | {"first_response_minutes": "urgent=5,high=10,normal=15,low=20"})
    assert changed.promise.first_response[Priority.URGENT] == timedelta(minutes=5)
    assert settings.promise.resolution[Priority.LOW] == timedelta(hours=168)
