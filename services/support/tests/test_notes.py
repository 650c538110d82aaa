from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.database import statement
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import tickets_pb2 as pb
from support.testing.desk import Desk, Files

Refused = Callable[[Awaitable[Any]], Awaitable[str]]

SECRET = "xyzzyplugh"


async def seen_by(customer: Caller, call: Client, desk: Desk, ticket: pb.Ticket) -> list[Any]:
    """Everything that the service tells a customer about a ticket."""
    read = pb.GetTicketRequest(id=ticket.id)
    return [
        await call(customer, "GetTicket", read),
        await desk.tickets(customer),
        await desk.tickets(customer, text=SECRET),
        await desk.tickets(customer, text="help"),
        await desk.thread(customer, ticket),
        await desk.thread(customer, ticket, newest_first=True, page_size=1),
        await desk.history(customer, ticket),
        *[await desk.tickets(customer, order=order) for order in pb.TicketOrder.values()],
    ]


async def test_a_note_changes_nothing_that_the_customer_can_see(
    call: Client, desk: Desk, files: Files, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    await desk.reply(tomas, ticket, "help is near")
    before = await seen_by(mara, call, desk, ticket)
    for i in range(3):
        note = await desk.note(tomas, ticket, f"{SECRET} help {i}")
        await files.send(tomas, ticket.id, note.id, filename=f"{SECRET}.txt")
    assert await seen_by(mara, call, desk, ticket) == before
    assert len((await desk.thread(tomas, ticket)).messages) == 5
    assert await desk.subjects(tomas, text=SECRET) == [ticket.subject]
    events = [e.event for e in (await desk.history(tomas, ticket)).entries]
    assert (events.count(pb.EVENT_NOTED), events.count(pb.EVENT_ATTACHED)) == (3, 3)


deeds = st.lists(st.tuples(st.sampled_from(["reply", "note", "change", "solve"]), st.booleans()), max_size=6)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds)
async def test_no_answer_to_a_customer_ever_holds_the_text_of_a_note(
    call: Client, desk: Desk, mara: Caller, tomas: Caller, done: list[tuple[str, bool]]
) -> None:
    ticket = await desk.open(mara)
    notes = 0
    for kind, by_agent in done:
        who = tomas if by_agent else mara
        if kind == "reply":
            await desk.reply(who, ticket)
        elif kind == "note":
            await desk.note(tomas, ticket, f"{SECRET} {notes}")
            notes += 1
        elif kind == "change":
            await desk.change(who, ticket, subject=f"It is {'quite ' * by_agent}broken")
        else:
            await desk.change(who, ticket, status=pb.STATUS_SOLVED)
    for answer in await seen_by(mara, call, desk, ticket):
        assert SECRET.encode() not in answer.SerializeToString()
    thread, whole = await desk.thread(mara, ticket), await desk.thread(tomas, ticket)
    assert whole.page.total == thread.page.total + notes


async def test_notes_make_no_events(desk: Desk, mara: Caller, tomas: Caller, house: Any) -> None:
    ticket = await desk.open(mara)
    await desk.note(tomas, ticket, SECRET)
    async with house.database.connection() as connection:
        outbox = statement(sa.text("SELECT kind, payload::text AS payload FROM support.outbox"), "SELECT outbox")
        rows = await connection.all(outbox)
    assert [row.kind for row in rows] == ["ticket.created"]
    assert all(SECRET not in row.payload for row in rows)
