from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from chassis.identity import Caller
from neoforge.support.v1 import tickets_pb2 as pb
from support.errors import ForAgents, IllegalMove, TicketClosed
from support.model.targets import Priority, Promise
from support.model.ticket import Status, Ticket
from support.testing.desk import Desk

Refused = Callable[[Awaitable[Any]], Awaitable[str]]

REQUESTER, AGENT = UUID(int=1), UUID(int=2)
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
PROMISE = Promise(
    {priority: timedelta(hours=5 - priority) for priority in Priority},
    {priority: timedelta(hours=10 * (5 - priority)) for priority in Priority},
)

LEGAL = {
    (Status.OPEN, Status.PENDING): {"agent"},
    (Status.OPEN, Status.SOLVED): {"agent", "customer"},
    (Status.PENDING, Status.OPEN): {"agent"},
    (Status.PENDING, Status.SOLVED): {"agent", "customer"},
    (Status.SOLVED, Status.OPEN): {"agent"},
    (Status.SOLVED, Status.CLOSED): {"agent"},
}


def opened(now: datetime = START, priority: Priority = Priority.NORMAL) -> Ticket:
    return Ticket.new(
        id=UUID(int=3),
        opened_by=REQUESTER,
        by_agent=False,
        requester_id=None,
        assignee_id=None,
        subject="It is broken",
        priority=priority,
        labels=(),
        contact_email="",
        promise=PROMISE,
        now=now,
    )


Act = tuple[str, Any, bool]
acts = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from(Status), st.booleans()),
        st.tuples(st.just("priority"), st.sampled_from(Priority), st.just(True)),
        st.tuples(st.just("reply"), st.none(), st.booleans()),
    ),
    max_size=12,
)


def act(ticket: Ticket, deed: Act, now: datetime) -> Ticket:
    kind, value, by_agent = deed
    if kind == "reply":
        return ticket.replied(AGENT if by_agent else REQUESTER, now)
    return ticket.changed({kind: value}, by_agent=by_agent, promise=PROMISE, now=now)


@given(acts)
def test_whatever_people_try_only_legal_moves_happen(deeds: list[Act]) -> None:
    ticket, now = opened(), START
    for deed in deeds:
        kind, value, by_agent = deed
        now += timedelta(minutes=1)
        try:
            after = act(ticket, deed, now)
        except TicketClosed:
            assert ticket.status is Status.CLOSED
            continue
        except (ForAgents, IllegalMove):
            assert kind == "status"
            assert ("agent" if by_agent else "customer") not in LEGAL.get((ticket.status, value), set())
            continue
        if kind == "status" and value is not ticket.status:
            assert ("agent" if by_agent else "customer") in LEGAL[ticket.status, value]
            assert after.status is value
        elif kind == "reply" and not by_agent:
            assert after.status is Status.OPEN
        else:
            assert after.status is ticket.status
        assert after.version == ticket.version + (after is not ticket)
        assert (after.targets.running_since is not None) == (after.status is Status.OPEN)
        assert (after.targets.solved_at is not None) == (after.status in {Status.SOLVED, Status.CLOSED})
        ticket = after


@given(acts, st.lists(st.integers(0, 600), min_size=12, max_size=12))
def test_versions_never_go_back_and_name_one_content_each(deeds: list[Act], minutes: list[int]) -> None:
    stored, now = opened(), START
    seen = {1: stored}
    for deed, wait in zip(deeds, minutes, strict=False):
        now += timedelta(minutes=wait)
        current = stored.at(now)
        assert seen.setdefault(current.version, current) == current
        try:
            stored = act(current, deed, now)
        except DomainError:
            continue
        assert stored.version >= current.version
        assert seen.setdefault(stored.version, stored) == stored


async def test_nothing_leads_out_of_closed(desk: Desk, refused: Refused, mara: Caller, tomas: Caller) -> None:
    ticket = await desk.open(mara)
    assert await refused(desk.change(tomas, ticket, status=pb.STATUS_CLOSED)) == "ILLEGAL_MOVE"
    await desk.change(tomas, ticket, status=pb.STATUS_SOLVED)
    closed = await desk.change(tomas, ticket, status=pb.STATUS_CLOSED)
    for attempt in (
        desk.reply(mara, ticket),
        desk.reply(tomas, ticket),
        desk.note(tomas, ticket),
        desk.change(tomas, ticket, status=pb.STATUS_OPEN),
        desk.change(tomas, ticket, labels=["late"]),
        desk.change(mara, ticket, subject="Another"),
    ):
        assert await refused(attempt) == "TICKET_CLOSED"
    assert await desk.get(mara, ticket) == closed
    assert len((await desk.thread(tomas, ticket)).messages) == 1


@pytest.mark.parametrize("status", [pb.STATUS_PENDING, pb.STATUS_SOLVED])
async def test_a_reply_of_the_requester_reopens_and_one_of_an_agent_does_not(
    desk: Desk, mara: Caller, tomas: Caller, status: "pb.Status.ValueType"
) -> None:
    ticket = await desk.open(mara)
    await desk.change(tomas, ticket, status=status)
    assert (await desk.reply(tomas, ticket)).ticket.status == status
    assert (await desk.reply(mara, ticket)).ticket.status == pb.STATUS_OPEN
