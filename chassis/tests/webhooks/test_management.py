import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hooked.owner import Owner
from hooked.service import WEBHOOKS

from chassis.database import Connection
from chassis.errors import InvalidCursor, InvalidFields, LimitReached, VersionMismatch
from chassis.testing.receiver import Receiver
from chassis.webhooks.management import EndpointNotFound, PageWanted
from chassis.webhooks.model import MAX_ENDPOINTS, MAX_SECRETS, Event

URL = "https://hooks.example/in"
Stored = Callable[[str], list[Any]]


async def fields_of(refused: Any) -> list[str]:
    with pytest.raises(InvalidFields) as wrong:
        await refused
    return [v.field for v in wrong.value.violations]


async def test_every_field_that_breaks_its_rule_is_named(owner: Owner) -> None:
    wrong = owner.make("ftp://x", "thing.lost", "thing.made", "thing.made", contact="nobody", description="a\0b")
    assert await fields_of(wrong) == ["url", "description", "contact", "events[0]", "events[2]"]


async def test_an_inner_address_is_refused_when_an_endpoint_is_made_or_changed(owner: Owner) -> None:
    assert await fields_of(owner.make("http://169.254.169.254/")) == ["url"]
    endpoint, _ = await owner.make(URL)
    assert await fields_of(owner.change(endpoint.id, url="http://0xa9fea9fe/")) == ["url"]


async def test_an_event_that_is_not_declared_cannot_be_announced(owner: Owner) -> None:
    with pytest.raises(ValueError, match="none of the service's events"):
        await owner.announce("thing.lost")


async def test_a_change_that_changes_nothing_keeps_the_version(owner: Owner) -> None:
    endpoint, _ = await owner.make(URL, "thing.made")
    assert await owner.change(endpoint.id, url="HTTPS://Hooks.Example:443/in", events=("thing.made",)) == endpoint
    changed = await owner.change(endpoint.id, events=())
    assert (changed.version, changed.events) == (2, ())


async def test_a_change_for_another_version_is_refused(owner: Owner) -> None:
    endpoint, _ = await owner.make(URL)
    async with owner.house.database.transaction() as tx:
        with pytest.raises(VersionMismatch):
            await owner.webhooks.change(tx, endpoint.id, owner.id, {"enabled": False}, 2)
        with pytest.raises(VersionMismatch):
            await owner.webhooks.delete(tx, endpoint.id, owner.id, 2)


async def test_anothers_endpoint_does_not_exist(owner: Owner) -> None:
    endpoint, _ = await owner.make(URL)
    stranger = uuid4()
    async with owner.house.database.transaction() as tx:
        for attempted in (
            owner.webhooks.get(tx, endpoint.id, stranger),
            owner.webhooks.change(tx, endpoint.id, stranger, {}, 0),
            owner.webhooks.delete(tx, endpoint.id, stranger, 0),
            owner.webhooks.rotate(tx, endpoint.id, stranger),
            owner.webhooks.test(tx, endpoint.id, stranger),
            owner.webhooks.replay(tx, endpoint.id, stranger, uuid4()),
            owner.webhooks.attempts(tx, endpoint.id, stranger, None, PageWanted()),
        ):
            with pytest.raises(EndpointNotFound):
                await attempted
        assert await owner.webhooks.version(tx, endpoint.id, stranger) is None


async def test_a_person_has_a_bounded_number_of_endpoints_however_many_are_made_at_once(owner: Owner) -> None:
    made = await asyncio.gather(*(owner.make(URL) for _ in range(MAX_ENDPOINTS + 5)), return_exceptions=True)
    refused = [m for m in made if isinstance(m, BaseException)]
    assert [type(r) for r in refused] == [LimitReached] * 5


async def test_a_bounded_number_of_secrets_sign_at_once(owner: Owner) -> None:
    endpoint, _ = await owner.make(URL)
    async with owner.house.database.transaction() as tx:
        for _ in range(MAX_SECRETS - 1):
            await owner.webhooks.rotate(tx, endpoint.id, owner.id)
        with pytest.raises(LimitReached):
            await owner.webhooks.rotate(tx, endpoint.id, owner.id)
        await owner.webhooks.rotate(tx, endpoint.id, owner.id, timedelta(0))
        with pytest.raises(InvalidFields):
            await owner.webhooks.rotate(tx, endpoint.id, owner.id, timedelta(days=8))


async def test_pages_of_endpoints_and_attempts_follow_each_other_by_cursor(owner: Owner, receiver: Receiver) -> None:
    made = [(await owner.make(receiver.url))[0].id for _ in range(5)]
    for _ in range(3):
        await owner.announce()
    await owner.run_jobs()
    async with owner.house.database.connection() as connection:
        first = await owner.webhooks.page(connection, owner.id, owner.id, PageWanted(size=3))
        second = await owner.webhooks.page(connection, owner.id, owner.id, PageWanted(size=3, cursor=first.next_cursor))
        assert [e.id for e in (*first.rows, *second.rows)] == made[::-1]
        assert (first.total, second.next_cursor) == (5, "")
        tried = await owner.webhooks.attempts(connection, made[0], owner.id, None, PageWanted(size=2))
        rest = await owner.webhooks.attempts(
            connection, made[0], owner.id, None, PageWanted(size=2, cursor=tried.next_cursor)
        )
        assert len({a.id for a in (*tried.rows, *rest.rows)}) == tried.total == 3
        with pytest.raises(InvalidCursor):
            await owner.webhooks.attempts(
                connection, made[1], owner.id, None, PageWanted(size=2, cursor=tried.next_cursor)
            )


async def test_of_two_workers_with_the_same_turn_one_is_heard(owner: Owner, receiver: Receiver, stored: Stored) -> None:
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    ((payload,),) = stored("SELECT payload FROM hooked.outbox")
    deliveries = WEBHOOKS.deliveries(owner.house)
    take = (UUID(payload["message_id"]), payload["turn"], owner.house.database.transaction)
    await asyncio.gather(deliveries.attempt(*take), deliveries.attempt(*take))
    await deliveries.attempt(*take)
    assert len(await owner.attempts(endpoint.id)) == 1
    assert len({a.headers["webhook-id"] for a in receiver.arrived}) == 1


async def test_what_is_old_or_deleted_is_purged_and_what_is_due_stays(
    owner: Owner, receiver: Receiver, stored: Stored
) -> None:
    old, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    stored("UPDATE hooked.webhook_messages SET updated_at = updated_at - interval '31 days'")
    await owner.announce()
    await owner.run_jobs()
    deleted, _ = await owner.make(receiver.url)
    await owner.announce()
    async with owner.house.database.transaction() as tx:
        await owner.webhooks.delete(tx, deleted.id, owner.id, 0)
        await owner.webhooks.rotate(tx, old.id, owner.id, timedelta(0))
    stored("UPDATE hooked.webhook_messages SET updated_at = now() - interval '31 days' WHERE state = 'pending'")
    async with owner.house.database.transaction() as tx:
        await owner.house.outbox.put(tx, "webhook.purge", {"due_at": datetime.now(UTC).isoformat()})
        await owner.webhooks.announce(tx, owner.id, Event("thing.made", datetime.now(UTC), {}))
    await owner.run_jobs()
    assert stored("SELECT id FROM hooked.webhook_endpoints") == [(old.id,)]
    assert len(stored("SELECT 1 FROM hooked.webhook_attempts")) == 3
    assert len(stored("SELECT 1 FROM hooked.webhook_secrets")) == 1


async def test_events_are_not_held_up_by_a_change_of_the_endpoint_nor_a_change_by_events(
    owner: Owner, receiver: Receiver
) -> None:
    endpoint, _ = await owner.make(receiver.url)
    async with owner.house.database.transaction() as changing, asyncio.timeout(1):
        await owner.webhooks.change(changing, endpoint.id, owner.id, {"description": "new"}, 0)
        await owner.announce()
    async with owner.house.database.transaction() as announcing, asyncio.timeout(1):
        await owner.webhooks.announce(announcing, owner.id, Event("thing.made", datetime.now(UTC), {}))
        await owner.change(endpoint.id, description="newer")
    await owner.run_jobs()
    assert len(receiver.arrived) == 2


async def test_a_replay_while_an_attempt_is_being_written_down_waits_for_it_and_then_counts(
    owner: Owner, receiver: Receiver, stored: Stored
) -> None:
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    ((payload,),) = stored("SELECT payload FROM hooked.outbox")
    message_id, turn = UUID(payload["message_id"]), payload["turn"]
    replays: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def finish() -> AsyncIterator[Connection]:
        async with owner.house.database.transaction() as tx:
            yield tx
            # The message is locked now; the endpoint was locked after it.
            replays.append(asyncio.create_task(owner.replay(endpoint.id, message_id)))
            waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not stored(waiting):  # noqa: ASYNC110 - PostgreSQL has no event for it
                await asyncio.sleep(0.01)

    await WEBHOOKS.deliveries(owner.house).attempt(message_id, turn, finish)
    await replays[0]
    await owner.run_jobs()
    assert len(await owner.attempts(endpoint.id)) == 2
