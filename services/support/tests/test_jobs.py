from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from chassis.identity import Caller
from chassis.mail.mails import KIND, Letter
from chassis.mail.templates import Templates
from chassis.testing.jobs import JobRunner
from neoforge.support.v1 import tickets_pb2 as pb
from support.jobs import note_breaches
from support.mails import OPENED, REPLIED, SOLVED, complete
from support.testing.desk import Clock, Desk


async def letters(house: Any) -> list[Letter]:
    async with house.database.transaction() as tx:
        rows = await tx._connection.execute(
            b"SELECT payload FROM support.outbox WHERE kind = 'mail.send' ORDER BY position"
        )
        return [Letter.from_payload(row.payload) for row in await rows.fetchall()]


async def events(house: Any) -> list[tuple[str, Any]]:
    async with house.database.transaction() as tx:
        rows = await tx._connection.execute(b"SELECT id, kind FROM support.outbox ORDER BY position")
        return [(row.kind, row.id) for row in await rows.fetchall()]


async def test_the_contact_is_told_of_what_agents_do_and_never_in_a_customers_words(
    desk: Desk, house: Any, service: Any, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(
        tomas, "Smoke & <fire>", body="You <called>", requester_id=str(mara.subject), contact_email="mara@example.test"
    )
    await desk.reply(mara, ticket, "Hurry")
    reply = await desk.reply(tomas, ticket, "Stay <calm>\n\nand call")
    await desk.note(tomas, ticket, "a secret")
    await desk.change(tomas, ticket, status=pb.STATUS_SOLVED)
    ran = JobRunner(service, house)
    kinds = [kind for kind, _ in await events(house)]
    assert kinds == ["ticket.created", "ticket.replied", "ticket.replied", "ticket.updated"]
    for _, id_ in await events(house):
        await ran._consumer.handle(id_)
    sent = await letters(house)
    assert [letter.template for letter in sent] == [OPENED, REPLIED, SOLVED]
    assert {str(letter.to.address) for letter in sent} == {"mara@example.test"}
    assert sent[1].context == {"ticket_id": ticket.id, "message_id": reply.message.id}
    for letter, text in zip(sent, ("You <called>", "Stay <calm>", "solved"), strict=True):
        completed = await complete(house, letter.context)
        assert completed is not None
        content = Templates("support").render(letter.template, "de", {**letter.context, **completed.context})
        assert "Smoke & <fire>" in content.subject
        assert text in content.text
        assert text.replace("<", "&lt;").replace(">", "&gt;") in content.html
        assert not {"secret", "Hurry"} & set((content.text + content.html).split())


async def test_a_ticket_without_a_contact_and_what_the_requester_does_send_no_mail(
    desk: Desk, house: Any, service: Any, mara: Caller, tomas: Caller
) -> None:
    silent = await desk.open(mara)
    await desk.reply(tomas, silent)
    own = await desk.open(mara, contact_email="mara@example.test")
    await desk.change(mara, own, status=pb.STATUS_SOLVED)
    ran = JobRunner(service, house)
    for _, id_ in await events(house):
        await ran._consumer.handle(id_)
    assert await letters(house) == []
    assert KIND == "mail.send"
    await desk.change(
        tomas,
        await desk.open(mara, "Buy now", body="Buy", contact_email="victim@example.test"),
        status=pb.STATUS_SOLVED,
    )
    for _, id_ in await events(house):
        await ran._consumer.handle(id_)
    [letter] = await letters(house)
    completed = await complete(house, letter.context)
    assert (letter.template, completed and completed.context["body"]) == (SOLVED, "")


async def test_fifty_quick_replies_are_fifty_events(desk: Desk, house: Any, mara: Caller) -> None:
    ticket = await desk.open(mara)
    for i in range(50):
        await desk.reply(mara, ticket, f"Hello {i}")
    replied = [id_ for kind, id_ in await events(house) if kind == "ticket.replied"]
    assert len(replied) == len(set(replied)) == 50


async def test_missed_targets_are_noted_once_without_anyone_looking(
    desk: Desk, clock: Clock, house: Any, mara: Caller, tomas: Caller
) -> None:
    urgent = await desk.open(mara, priority=pb.PRIORITY_URGENT)
    later = await desk.open(mara)
    work: Any = SimpleNamespace(house=house)
    for hours, missed in ((0, 0), (2, 1), (2.5, 1), (9, 2)):
        await note_breaches(work, now=lambda hours=hours: datetime.now(UTC) + timedelta(hours=hours))
        entries = (await desk.history(tomas, urgent)).entries
        assert sum(entry.event == pb.EVENT_BREACHED for entry in entries) == missed
    assert (await desk.get(mara, urgent)).targets.resolution_breached
    assert [e.event for e in (await desk.history(tomas, later)).entries] == [pb.EVENT_BREACHED, pb.EVENT_CREATED]
    clock.passes(hours=9)
    read = await desk.get(mara, urgent)
    assert (read.version, read.targets.first_response_breached) == (3, True)


async def test_what_is_noted_has_the_version_that_readers_saw_before(
    desk: Desk, clock: Clock, house: Any, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    clock.passes(hours=9)
    seen = await desk.get(mara, ticket)
    work: Any = SimpleNamespace(house=house)
    await note_breaches(work, now=clock)
    assert await desk.get(mara, ticket) == seen
    assert await desk.subjects(tomas, overdue=True) == [ticket.subject]


async def test_nobody_rewrites_a_history_and_it_goes_only_with_its_ticket(desk: Desk, house: Any, mara: Caller) -> None:
    ticket = await desk.open(mara)
    for wrong in (b"UPDATE support.history SET event = 'noted'", b"DELETE FROM support.history"):
        with pytest.raises(psycopg.errors.RaiseException):
            async with house.database.transaction() as tx:
                await tx._connection.execute(wrong)
    assert len((await desk.history(mara, ticket)).entries) == 1
    async with house.database.transaction() as tx:
        await tx._connection.execute(b"DELETE FROM support.tickets")
    assert await desk.subjects(mara) == []
