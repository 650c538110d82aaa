import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import tickets_pb2 as pb
from support.testing.desk import Desk

Refused = Callable[[Awaitable[Any]], Awaitable[str]]

TEXTS = [
    "emoji 👩🏽‍🚀 and flags 🏴‍☠️",
    "שלום עולם \u202eيمين\u202c",
    "<script>alert('x')</script> & <b>bold</b>",
    "'; DROP TABLE tickets; -- %s %(id)s {} \\x00 \\u0000",
    "tab\tand\nlines\r\nand \u00a0 blanks  ",
]


async def test_a_ticket_can_be_read_by_its_requester_as_it_was_opened(desk: Desk, mara: Caller) -> None:
    opened = await desk.open(mara, contact_email="mara@example.test")
    assert (opened.status, opened.priority, opened.version) == (pb.STATUS_OPEN, pb.PRIORITY_NORMAL, 1)
    assert (opened.requester_id, opened.assignee_id) == (str(mara.subject), "")
    assert await desk.get(mara, opened) == opened
    assert list((await desk.tickets(mara)).tickets) == [opened]


async def test_a_customer_sees_only_their_own_tickets_and_an_agent_the_queue(
    desk: Desk, refused: Refused, mara: Caller, oskar: Caller, tomas: Caller, ines: Caller
) -> None:
    mine = await desk.open(mara, "Mara's")
    await desk.open(oskar, "Oskar's")
    assert await desk.subjects(mara) == ["Mara's"]
    for agent in (tomas, ines):
        assert await desk.subjects(agent) == ["Oskar's", "Mara's"]
    assert (await desk.tickets(mara)).page.total == 1
    assert await desk.subjects(mara, requester_id=str(oskar.subject)) == []
    for attempt in (
        desk.get(oskar, mine),
        desk.change(oskar, mine, subject="Mine now"),
        desk.reply(oskar, mine),
        desk.thread(oskar, mine),
        desk.history(oskar, mine),
    ):
        assert await refused(attempt) == "NOT_FOUND"


async def test_what_a_customer_may_not_do_with_their_own_ticket_is_forbidden(
    desk: Desk, refused: Refused, mara: Caller, tomas: Caller, oskar: Caller
) -> None:
    ticket = await desk.open(mara)
    for fields in (
        {"priority": pb.PRIORITY_URGENT},
        {"assignee_id": str(mara.subject)},
        {"labels": ["vip"]},
        {"status": pb.STATUS_PENDING},
        {"status": pb.STATUS_CLOSED},
    ):
        assert await refused(desk.change(mara, ticket, **fields)) == "FORBIDDEN", fields
    assert await refused(desk.note(mara, ticket)) == "FORBIDDEN"
    assert await refused(desk.open(mara, requester_id=str(oskar.subject))) == "FORBIDDEN"
    assert await refused(desk.open(mara, assignee_id=str(tomas.subject))) == "FORBIDDEN"
    assert await refused(desk.open(mara, labels=["vip"])) == "FORBIDDEN"
    changed = await desk.change(mara, ticket, subject="It is quite broken", status=pb.STATUS_SOLVED)
    assert (changed.subject, changed.status) == ("It is quite broken", pb.STATUS_SOLVED)
    assert await refused(desk.change(mara, ticket, status=pb.STATUS_OPEN)) == "FORBIDDEN"
    assert (await desk.reply(mara, ticket, "Not solved after all")).ticket.status == pb.STATUS_OPEN


async def test_an_agent_opens_a_ticket_for_someone_who_then_sees_it(desk: Desk, tomas: Caller, mara: Caller) -> None:
    ticket = await desk.open(tomas, requester_id=str(mara.subject), assignee_id=str(tomas.subject))
    assert await desk.get(mara, ticket) == ticket
    assert ticket.targets.HasField("first_responded_at")


async def test_of_two_agents_who_take_a_ticket_at_once_one_gets_it(
    desk: Desk, mara: Caller, tomas: Caller, rita: Caller
) -> None:
    ticket = await desk.open(mara)

    async def take(agent: Caller) -> str:
        try:
            await desk.change(agent, ticket, ticket.version, assignee_id=str(agent.subject))
        except RemoteError as refused:
            return refused.reason
        return str(agent.subject)

    outcomes = await asyncio.gather(*(take(agent) for agent in (tomas, rita)))
    assert max(outcomes) == "VERSION_MISMATCH"
    owner = min(outcomes)
    assert (await desk.get(mara, ticket)).assignee_id == owner
    entries = (await desk.history(tomas, ticket)).entries
    assert [(e.event, e.actor_id) for e in entries] == [
        (pb.EVENT_CHANGED, owner),
        (pb.EVENT_CREATED, str(mara.subject)),
    ]


async def test_a_change_that_changes_nothing_keeps_the_version_and_the_history(desk: Desk, tomas: Caller) -> None:
    ticket = await desk.open(tomas)
    assert await desk.change(tomas, ticket, status=pb.STATUS_OPEN, subject=ticket.subject) == ticket
    assert len((await desk.history(tomas, ticket)).entries) == 1


async def test_the_history_tells_who_changed_what(desk: Desk, mara: Caller, tomas: Caller) -> None:
    ticket = await desk.open(mara)
    await desk.change(tomas, ticket, priority=pb.PRIORITY_URGENT, labels=["a", "b"], status=pb.STATUS_PENDING)
    await desk.reply(mara, ticket)
    newest, changed, created = (await desk.history(mara, ticket)).entries
    assert [(c.field, c.before, c.after) for c in changed.changes] == [
        ("status", "open", "pending"),
        ("priority", "normal", "urgent"),
        ("labels", "", "a, b"),
    ]
    assert (created.event, created.actor_id) == (pb.EVENT_CREATED, str(mara.subject))
    assert newest.event == pb.EVENT_REPLIED
    assert [(c.field, c.before, c.after) for c in newest.changes] == [("status", "pending", "open")]


@pytest.mark.parametrize("text", TEXTS)
async def test_text_comes_back_as_it_went_in(desk: Desk, tomas: Caller, text: str) -> None:
    subject = "".join(c for c in text if c not in "\t\r\n\u202e\u202c")
    ticket = await desk.open(tomas, subject, body=text, labels=[subject[:50]])
    assert (ticket.subject, ticket.labels) == (subject, [subject[:50]])
    assert [m.body for m in (await desk.thread(tomas, ticket)).messages] == [text]


async def test_text_that_cannot_be_kept_is_refused_by_field(call: Client, mara: Caller) -> None:
    for fields, field in (
        ({"subject": "nul \0"}, "subject"),
        ({"subject": "two\nlines"}, "subject"),
        ({"subject": "turned \u202earound"}, "subject"),
        ({"subject": " "}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"body": ""}, "body"),
        ({"body": "nul \0"}, "body"),
        ({"body": "x" * 65_537}, "body"),
        ({"body": "x" * 1_000_000}, "body"),
        ({"labels": ["a", "a"]}, "labels[1]"),
        ({"labels": ["x" * 51]}, "labels[0]"),
        ({"contact_email": "not an address"}, "contact_email"),
        ({"requester_id": "nobody"}, "requester_id"),
    ):
        request = pb.CreateTicketRequest(**{"subject": "It is broken", "body": "Help", **fields})  # type: ignore[arg-type] # fields of several types
        with pytest.raises(RemoteError) as refused:
            await call(mara, "CreateTicket", request)
        assert (refused.value.reason, [v.field for v in refused.value.violations]) == ("INVALID_FIELDS", [field])


async def test_the_longest_message_is_kept_and_found(desk: Desk, mara: Caller) -> None:
    words = " ".join(f"{i:x}" for i in range(13_000))[:65_530]
    body = words + "zebra"
    ticket = await desk.open(mara, body=body)
    assert (await desk.thread(mara, ticket)).messages[0].body == body
    assert await desk.subjects(mara, text="2ff") == [ticket.subject]


async def test_fifty_quick_replies_are_fifty_messages_entries_and_events(
    desk: Desk, mara: Caller, tomas: Caller, house: Any
) -> None:
    ticket = await desk.open(mara)
    added = await asyncio.gather(*(desk.reply(mara, ticket, f"Hello {i}") for i in range(50)))
    assert len({reply.message.id for reply in added}) == 50
    assert sorted(reply.ticket.version for reply in added) == list(range(2, 52))
    thread = await desk.thread(tomas, ticket, page_size=100)
    assert sorted(m.body for m in thread.messages[1:]) == sorted(f"Hello {i}" for i in range(50))
    replied = [e for e in (await desk.history(mara, ticket)).entries if e.event == pb.EVENT_REPLIED]
    assert len({entry.message_id for entry in replied}) == 50
