from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.identity import Caller
from neoforge.support.v1 import tickets_pb2 as pb
from support.store.tickets import HEAD
from support.testing.desk import Clock, Desk

Refused = Callable[[Awaitable[Any]], Awaitable[str]]


@pytest.fixture
async def queue(desk: Desk, clock: Clock, mara: Caller, oskar: Caller, tomas: Caller, rita: Caller) -> None:
    """Six tickets, a minute apart."""
    first = await desk.open(mara, "a printer smokes", priority=pb.PRIORITY_LOW)
    await desk.change(tomas, first, labels=["printer"])
    clock.passes(minutes=1)
    second = await desk.open(oskar, "b printer hums", priority=pb.PRIORITY_URGENT)
    await desk.change(tomas, second, labels=["printer", "noise"])
    clock.passes(minutes=1)
    third = await desk.open(mara, "c password", body="forgotten")
    clock.passes(minutes=1)
    fourth = await desk.open(mara, "d invoice", priority=pb.PRIORITY_HIGH)
    clock.passes(minutes=1)
    await desk.change(tomas, first, assignee_id=str(tomas.subject), status=pb.STATUS_PENDING)
    clock.passes(minutes=1)
    await desk.change(tomas, second, assignee_id=str(tomas.subject))
    clock.passes(minutes=1)
    await desk.change(rita, fourth, assignee_id=str(rita.subject), status=pb.STATUS_SOLVED)
    clock.passes(minutes=1)
    await desk.note(tomas, third, "was told on the phone")


A, B, C, D = "a printer smokes", "b printer hums", "c password", "d invoice"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (pb.TICKET_ORDER_UNSPECIFIED, [D, C, B, A]),
        (pb.TICKET_ORDER_CREATED_AT_ASC, [A, B, C, D]),
        (pb.TICKET_ORDER_UPDATED_AT_DESC, [D, B, A, C]),
        (pb.TICKET_ORDER_UPDATED_AT_ASC, [C, A, B, D]),
        (pb.TICKET_ORDER_PRIORITY_DESC, [B, D, C, A]),
        (pb.TICKET_ORDER_PRIORITY_ASC, [A, C, D, B]),
        (pb.TICKET_ORDER_DUE_ASC, [B, C, A, D]),
        (pb.TICKET_ORDER_DUE_DESC, [D, A, C, B]),
    ],
)
async def test_the_queue_comes_in_every_order(
    queue: None, desk: Desk, tomas: Caller, order: "pb.TicketOrder.ValueType", expected: list[str]
) -> None:
    assert await desk.subjects(tomas, order=order) == expected
    first = await desk.tickets(tomas, order=order, page_size=3)
    rest = await desk.tickets(tomas, order=order, page_size=3, cursor=first.page.next_cursor)
    assert [t.subject for t in (*first.tickets, *rest.tickets)] == expected
    back = await desk.tickets(tomas, order=order, page_size=3, cursor=rest.page.previous_cursor)
    assert back.tickets == first.tickets


async def test_the_queue_is_filtered_by_each_thing_and_by_several(
    queue: None, desk: Desk, refused: Refused, mara: Caller, oskar: Caller, tomas: Caller, rita: Caller
) -> None:
    taken = str(tomas.subject)
    for fields, expected in (
        ({"status": pb.STATUS_OPEN}, [C, B]),
        ({"status": pb.STATUS_CLOSED}, []),
        ({"priority": pb.PRIORITY_URGENT}, [B]),
        ({"priority": pb.PRIORITY_NORMAL, "status": pb.STATUS_OPEN}, [C]),
        ({"assignee_id": taken}, [B, A]),
        ({"assignee_id": taken, "status": pb.STATUS_PENDING}, [A]),
        ({"assignee_id": taken, "priority": pb.PRIORITY_URGENT}, [B]),
        ({"unassigned": True}, [C]),
        ({"labels": ["printer"]}, [B, A]),
        ({"labels": ["printer", "noise"]}, [B]),
        ({"labels": ["printer"], "status": pb.STATUS_OPEN}, [B]),
        ({"requester_id": str(mara.subject)}, [D, C, A]),
        ({"requester_id": str(mara.subject), "status": pb.STATUS_SOLVED}, [D]),
    ):
        page = await desk.tickets(tomas, **fields)
        assert [t.subject for t in page.tickets] == expected, fields
        assert (page.page.total, page.page.total_exact) == (len(expected), True)
    assert await refused(desk.tickets(tomas, assignee_id=taken, unassigned=True)) == "INVALID_FIELDS"
    assert await refused(desk.tickets(tomas, order=99)) == "INVALID_FIELDS"


async def test_search_finds_beginnings_of_words_in_subjects_and_messages(
    queue: None, desk: Desk, mara: Caller, oskar: Caller, tomas: Caller
) -> None:
    assert await desk.subjects(tomas, text="PRINT") == [B, A]
    assert await desk.subjects(tomas, text=" \u00a0 ") == await desk.subjects(tomas, text="") == [D, C, B, A]
    assert await desk.subjects(tomas, text="printer hum") == [B]
    assert await desk.subjects(tomas, text="password forgot") == [C]
    assert await desk.subjects(tomas, text="phone") == [C]
    assert await desk.subjects(mara, text="phone") == []
    assert await desk.subjects(mara, text="printer") == [A]
    assert await desk.subjects(oskar, text="printer") == [B]
    assert await desk.subjects(tomas, text="!?") == []
    ticket = (await desk.tickets(mara, text="invoice")).tickets[0]
    await desk.change(mara, ticket, subject="d receipt")
    assert await desk.subjects(mara, text="receipt") == ["d receipt"]
    assert await desk.subjects(mara, text="invoice") == []


async def test_overdue_stands_with_any_other_filter(
    queue: None, desk: Desk, clock: Clock, mara: Caller, tomas: Caller
) -> None:
    clock.passes(minutes=55)
    assert await desk.subjects(tomas, overdue=True) == [B]
    clock.passes(hours=8)
    assert await desk.subjects(tomas, overdue=True) == [C, B]
    assert await desk.subjects(tomas, overdue=True, priority=pb.PRIORITY_URGENT) == [B]
    assert await desk.subjects(tomas, overdue=True, labels=["noise"]) == [B]
    assert await desk.subjects(mara, overdue=True, text="password") == [C]
    ticket = (await desk.tickets(tomas, text="hums")).tickets[0]
    await desk.change(tomas, ticket, labels=["noise"])
    assert await desk.subjects(tomas, overdue=True, labels=["noise"]) == [B]
    page = await desk.tickets(tomas, overdue=True, page_size=1)
    rest = await desk.tickets(tomas, overdue=True, page_size=1, cursor=page.page.next_cursor)
    assert [t.subject for t in (*page.tickets, *rest.tickets)] == [C, B]


async def test_a_cursor_is_good_for_its_caller_filter_and_order_alone(
    queue: None, desk: Desk, refused: Refused, mara: Caller, tomas: Caller
) -> None:
    cursor = (await desk.tickets(tomas, page_size=1)).page.next_cursor
    for caller, fields in (
        (mara, {}),
        (tomas, {"status": pb.STATUS_OPEN}),
        (tomas, {"order": pb.TICKET_ORDER_DUE_ASC}),
    ):
        assert await refused(desk.tickets(caller, page_size=1, cursor=cursor, **fields)) == "INVALID_CURSOR"


async def test_a_thread_is_paged_both_ways(desk: Desk, mara: Caller) -> None:
    ticket = await desk.open(mara, body="0")
    for i in range(1, 5):
        await desk.reply(mara, ticket, str(i))
    first = await desk.thread(mara, ticket, page_size=3)
    rest = await desk.thread(mara, ticket, page_size=3, cursor=first.page.next_cursor)
    assert [m.body for m in (*first.messages, *rest.messages)] == ["0", "1", "2", "3", "4"]
    newest = await desk.thread(mara, ticket, page_size=2, newest_first=True)
    assert [m.body for m in newest.messages] == ["4", "3"]


async def test_a_common_word_is_found_in_all_of_a_list_that_filters_make_short(
    queue: None, desk: Desk, mara: Caller, oskar: Caller, tomas: Caller
) -> None:
    for n in range(HEAD):
        await desk.open(oskar, f"printer {n}")
    mine = {"assignee_id": str(tomas.subject)}
    for text in ("printer", "print"):
        everywhere = await desk.tickets(tomas, text=text)
        assert everywhere.tickets[0].subject == f"printer {HEAD - 1}"
        assert everywhere.page.total_exact == (text == "print")  # of beginnings, a thousand rows are looked through
        found = await desk.tickets(tomas, text=text, **mine)
        assert ([t.subject for t in found.tickets], found.page.total, found.page.total_exact) == ([B, A], 2, True)
        first = await desk.tickets(tomas, text=text, order=pb.TICKET_ORDER_CREATED_AT_ASC)
        assert [t.subject for t in first.tickets[:2]] == [A, B]
        assert await desk.subjects(mara, text=text) == [A]
