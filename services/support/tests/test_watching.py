"""Following a ticket: everything that its reader may see, each once, in order, from wherever they were."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from types import SimpleNamespace
from typing import Any, Self
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from chassis import cancelling
from chassis.embedded.certificates import Authority
from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.rpc.client import watch
from chassis.service import RunningService, Service
from chassis.testing.client import Client
from chassis.testing.plugin import Logins, tls_of
from chassis.testing.waiting import until
from neoforge.support.v1 import tickets_pb2, watching_pb2_grpc
from neoforge.support.v1 import watching_pb2 as pb
from support.jobs import note_breaches
from support.testing.desk import Clock, Desk, Files

Refused = Callable[[Awaitable[Any]], Awaitable[str]]

SECRET = "xyzzyplugh"
METHOD = "/neoforge.support.v1.TicketWatchService/WatchTicket"
LONG_S = 60.0


class Follower:
    """Follows a ticket in a task of its own; what happened is added to `happened`.

    `begun` is what the call began with, `ended` whether it has ended, and `refused` for what reason, if for one.
    """

    def __init__(
        self,
        call: Client,
        caller: Caller,
        ticket_id: str,
        after: str = "",
        happened: list[pb.WatchTicketResponse] | None = None,
    ) -> None:
        rpc = watching_pb2_grpc.TicketWatchServiceStub(call.channel).WatchTicket
        request = pb.WatchTicketRequest(id=ticket_id, after=after)
        self.happened = [] if happened is None else happened
        self.begun: pb.WatchTicketResponse | None = None
        self.refused = ""
        self.ended = False
        self.position = after
        self._messages: AsyncGenerator[Any, None] = watch(rpc, request, caller=caller, request_id="watch")

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        await until(lambda: self.begun or self.refused, LONG_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancelling.end(self._task)

    async def _listen(self) -> None:
        try:
            async with aclosing(self._messages) as messages:
                async for message in messages:
                    self.position = message.position
                    if self.begun is None:
                        self.begun = message
                    else:
                        self.happened.append(message)
        except RemoteError as refused:
            self.refused = refused.reason
        self.ended = True

    async def heard(self, count: int) -> list[pb.WatchTicketResponse]:
        """Give what happened, once so much has."""
        await until(lambda: len(self.happened) >= count, LONG_S)
        return self.happened

    @property
    def start(self) -> pb.WatchTicketResponse:
        """What the call began with."""
        assert self.begun is not None
        return self.begun

    @property
    def events(self) -> list[str]:
        return [tickets_pb2.Event.Name(told.entry.event) for told in self.happened]


@pytest.fixture
def settings(settings: Any) -> Any:
    """Writers wait for each other, however busy the machine is."""
    return settings.model_copy(update={"database_lock_timeout_ms": 60_000, "database_statement_timeout_ms": 60_000})


@pytest_asyncio.fixture
async def replica(
    running: RunningService[Any], service: Service[Any], settings: Any, authority: Authority
) -> AsyncIterator[tuple[RunningService[Any], Client]]:
    """Another replica of the service, and who calls it."""
    async with AsyncExitStack() as stack:
        other = RunningService(service, settings)
        await other.start()
        stack.push_async_callback(other.stop, grace_s=1)
        target = f"127.0.0.1:{other.port}"
        yield (
            other,
            await stack.enter_async_context(Client(target, tls_of(authority.issue("gateway")), service.descriptors)),
        )


async def test_a_follower_begins_with_the_ticket_and_gets_what_happens_to_it(
    call: Client, desk: Desk, files: Files, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    async with Follower(call, mara, ticket.id) as follower:
        begun = follower.start
        assert (begun.ticket, begun.reset, begun.HasField("entry")) == (ticket, False, False)
        reply = await desk.reply(tomas, ticket, "Have you tried?")
        attached = await files.send(tomas, ticket.id, reply.message.id)
        changed = await desk.change(tomas, ticket, status=tickets_pb2.STATUS_PENDING, assignee_id=str(tomas.subject))
        heard = await follower.heard(3)
    assert follower.events == ["EVENT_REPLIED", "EVENT_ATTACHED", "EVENT_CHANGED"]
    assert heard[0].message.body == "Have you tried?"
    assert list(heard[1].message.attachments) == [attached]
    assert heard[2].ticket == changed
    assert not heard[2].HasField("message")
    history = (await desk.history(mara, ticket)).entries
    assert [told.entry for told in heard] == list(reversed(history[:3]))
    assert [told.position for told in heard] == [told.entry.id for told in heard]


async def test_nothing_is_lost_or_told_twice_whoever_writes_where_and_however_often_a_follower_goes_on_elsewhere(
    call: Client, replica: tuple[RunningService[Any], Client], mara: Caller, tomas: Caller, rita: Caller
) -> None:
    desks = [Desk(call), Desk(replica[1])]
    ticket = await desks[0].open(mara)
    chance = random.Random(7)  # noqa: S311 - chooses who writes where

    async def write(writer: int) -> None:
        for number in range(25):
            desk, who = chance.choice(desks), chance.choice([mara, tomas, rita])
            if who is not mara and number % 5 == 0:
                await desk.note(who, ticket, f"{SECRET} {writer}-{number}")
            else:
                await desk.reply(who, ticket, f"{writer}-{number}")

    async def follow(caller: Caller, told: list[pb.WatchTicketResponse]) -> None:
        after = (await desks[0].history(caller, ticket)).entries[-1].id
        while True:
            async with Follower(chance.choice([call, replica[1]]), caller, ticket.id, after, told) as follower:
                wanted = len(told) + chance.randint(0, 9)
                await until(lambda: len(told) >= wanted, LONG_S)  # noqa: B023 - used at once
            after = follower.position

    seen: dict[str, list[pb.WatchTicketResponse]] = {"customer": [], "agent": []}
    following = [
        asyncio.create_task(follow(mara, seen["customer"])),
        asyncio.create_task(follow(rita, seen["agent"])),
    ]
    await asyncio.gather(*map(write, range(8)))
    expected = {name: await everything(desks[0], who, ticket) for name, who in (("customer", mara), ("agent", rita))}
    try:
        await until(lambda: all(len(seen[name]) >= len(expected[name]) for name in seen), LONG_S)
    finally:
        await cancelling.end(*following)
    for name, told in seen.items():
        ids = [one.entry.id for one in told]
        assert len(ids) == len(set(ids))
        assert set(ids) == set(expected[name])
    agents = [one.entry.id for one in seen["agent"]]
    assert [id_ for id_ in agents if id_ in set(expected["customer"])] == [one.entry.id for one in seen["customer"]]
    assert all(SECRET not in str(one) for one in seen["customer"])
    assert sum(SECRET in one.message.body for one in seen["agent"]) == len(agents) - len(expected["customer"])


async def everything(desk: Desk, caller: Caller, ticket: tickets_pb2.Ticket) -> list[str]:
    """Give the ids of the whole history but its beginning."""
    found: list[str] = []
    cursor = ""
    while True:
        request = tickets_pb2.ListHistoryRequest(ticket_id=ticket.id, page_size=100, cursor=cursor)
        page = await desk.call(caller, "ListHistory", request)
        found += [entry.id for entry in page.entries]
        cursor = page.page.next_cursor
        if not cursor:
            return found[:-1]


async def test_an_entry_whose_number_was_taken_before_another_ticket_s_is_told_however_late_it_is_committed(
    call: Client, desk: Desk, mara: Caller, tomas: Caller, database: Logins
) -> None:
    slow, quick = await desk.open(mara), await desk.open(mara)
    async with Follower(call, mara, slow.id) as follower, Follower(call, mara, quick.id) as other:
        async with await psycopg.AsyncConnection.connect(database.admin) as holder:
            await holder.execute("SELECT FROM support.tickets WHERE id = %s FOR UPDATE", [slow.id])
            await holder.execute(
                "INSERT INTO support.history (id, ticket_id, event, changes, internal, created_at)"
                " VALUES (%s, %s, 'changed', '[]', false, now())",
                [uuid4(), slow.id],
            )
            await desk.reply(tomas, quick)
            await other.heard(1)
            assert not follower.events
        await follower.heard(1)
        await desk.reply(tomas, slow)
        await follower.heard(2)
    assert follower.events == ["EVENT_CHANGED", "EVENT_REPLIED"]


async def test_a_customer_is_told_nothing_of_notes(
    call: Client, desk: Desk, files: Files, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    async with Follower(call, mara, ticket.id) as follower, Follower(call, tomas, ticket.id) as agent:
        note = await desk.note(tomas, ticket, SECRET)
        await files.send(tomas, ticket.id, note.id, filename=f"{SECRET}.txt")
        await desk.reply(tomas, ticket)
        await agent.heard(3)
        await follower.heard(1)
        id_of_note = agent.happened[0].position
    assert agent.events == ["EVENT_NOTED", "EVENT_ATTACHED", "EVENT_REPLIED"]
    assert follower.events == ["EVENT_REPLIED"]
    assert SECRET not in str(follower.happened)
    # Nor do they learn whether there is a note of this id.
    async with Follower(call, mara, ticket.id, id_of_note) as follower:
        assert follower.start.reset


async def test_who_goes_on_after_what_is_no_entry_of_the_ticket_is_told_to_read_it_again(
    call: Client, desk: Desk, mara: Caller
) -> None:
    ticket, other = await desk.open(mara), await desk.open(mara)
    for after in (str(uuid4()), (await desk.history(mara, other)).entries[0].id):
        async with Follower(call, mara, ticket.id, after) as follower:
            begun = follower.start
            assert (begun.reset, begun.ticket) == (True, ticket)
            assert begun.position == (await desk.history(mara, ticket)).entries[0].id


async def test_what_was_written_before_there_were_numbers_comes_before_all_that_has_one(
    call: Client, desk: Desk, mara: Caller, tomas: Caller, database: Logins
) -> None:
    ticket = await desk.open(mara)
    await desk.reply(tomas, ticket)
    async with await psycopg.AsyncConnection.connect(database.admin) as admin:
        await admin.execute("ALTER TABLE support.history DISABLE TRIGGER history_append_only")
        await admin.execute("UPDATE support.history SET number = NULL")
        await admin.execute("ALTER TABLE support.history ENABLE TRIGGER history_append_only")
    replied, created = [entry.id for entry in (await desk.history(mara, ticket)).entries]
    async with Follower(call, mara, ticket.id) as follower:
        assert follower.position == replied
        await desk.reply(tomas, ticket)
        await follower.heard(1)
    async with Follower(call, mara, ticket.id, replied) as follower:
        await follower.heard(1)
        assert not follower.start.reset
    async with Follower(call, mara, ticket.id, created) as follower:
        assert follower.start.reset


async def test_a_missed_target_is_told_when_it_is_noted(
    call: Client, desk: Desk, mara: Caller, clock: Clock, house: Any
) -> None:
    ticket = await desk.open(mara)
    async with Follower(call, mara, ticket.id) as follower:
        clock.passes(days=30)
        await note_breaches(SimpleNamespace(house=house), now=clock)
        (breached,) = await follower.heard(1)
    assert breached.entry.event == tickets_pb2.EVENT_BREACHED
    assert breached.ticket.targets.first_response_breached


async def test_another_customers_ticket_does_not_exist_and_nobody_follows_without_signing_in(
    call: Client, desk: Desk, mara: Caller, oskar: Caller
) -> None:
    ticket = await desk.open(mara)
    for caller, id_, after, reason in (
        (oskar, ticket.id, "", "NOT_FOUND"),
        (mara, str(uuid4()), "", "NOT_FOUND"),
        (mara, "seven", "", "INVALID_FIELDS"),
        (mara, ticket.id, "seven", "INVALID_FIELDS"),
        (Caller(), ticket.id, "", "UNAUTHENTICATED"),
    ):
        async with Follower(call, caller, id_, after) as follower:
            assert (follower.refused, follower.begun) == (reason, None)


async def test_a_follower_who_may_see_the_ticket_no_more_is_told_nothing_further(
    call: Client, desk: Desk, mara: Caller, tomas: Caller, oskar: Caller, database: Logins
) -> None:
    ticket = await desk.open(mara)
    async with Follower(call, mara, ticket.id) as follower:
        async with await psycopg.AsyncConnection.connect(database.admin) as admin:
            await admin.execute("UPDATE support.tickets SET requester_id = %s", [oskar.subject])
        await desk.reply(tomas, ticket, SECRET)
        await until(lambda: follower.refused, LONG_S)
    assert (follower.refused, follower.events) == ("NOT_FOUND", [])


async def test_a_replica_that_ends_lets_its_followers_go_at_once_to_go_on_elsewhere(
    call: Client, replica: tuple[RunningService[Any], Client], desk: Desk, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    other, client = replica
    async with Follower(client, mara, ticket.id) as follower:
        await desk.reply(tomas, ticket, "one")
        await follower.heard(1)
        await other.stop(grace_s=3600)
        await until(lambda: follower.ended, LONG_S)
        assert not follower.refused
    await desk.reply(tomas, ticket, "two")
    async with Follower(call, mara, ticket.id, follower.position) as again:
        await again.heard(1)
        assert [told.message.body for told in again.happened] == ["two"]


async def test_of_a_call_that_lasts_the_wait_for_its_beginning_is_measured(
    call: Client, desk: Desk, mara: Caller
) -> None:
    def measured() -> tuple[float, float]:
        labels = {"method": METHOD, "code": "OK"}
        count = REGISTRY.get_sample_value("rpc_server_duration_seconds_count", labels) or 0.0
        return count, REGISTRY.get_sample_value("rpc_server_calls_in_progress", {"method": METHOD}) or 0.0

    ticket = await desk.open(mara)
    before, _ = measured()
    async with Follower(call, mara, ticket.id):
        await until(lambda: measured() == (before + 1, 0.0))
    assert measured() == (before + 1, 0.0)
