import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks
import svix.webhooks
from hooked.owner import Owner

from chassis.errors import Kind
from chassis.testing.receiver import Receiver, answer
from chassis.webhooks.management import MessageNotFound
from chassis.webhooks.model import TEST_EVENT, DisabledReason, Event

DAY = timedelta(days=1)


async def test_an_event_arrives_signed_and_both_public_verifiers_accept_it(owner: Owner, receiver: Receiver) -> None:
    _, secret = await owner.make(receiver.url)
    await owner.announce(name="Ünïcödé 🚀", version=7)
    await owner.run_jobs()
    (arrived,) = receiver.arrived
    body = json.loads(arrived.body)
    assert (body["type"], body["data"]) == ("thing.made", {"name": "Ünïcödé 🚀", "version": 7})
    assert datetime.fromisoformat(body["timestamp"]).utcoffset() == timedelta(0)
    assert arrived.headers["content-type"] == "application/json"
    standardwebhooks.Webhook(secret).verify(arrived.body, dict(arrived.headers))
    svix.webhooks.Webhook(secret).verify(arrived.body, dict(arrived.headers))


async def test_an_event_goes_to_the_endpoints_that_want_it_and_to_no_other_persons(
    owner: Owner, receiver: Receiver
) -> None:
    other = Owner(owner.house, owner.webhooks, owner.run_jobs, UUID(int=7))
    for whose, path, events in (
        (owner, "all", ()),
        (owner, "made", ("thing.made",)),
        (owner, "gone", ("thing.gone",)),
        (other, "other", ()),
    ):
        await whose.make(f"http://127.0.0.1:{receiver.port}/{path}", *events)
    await owner.announce("thing.made")
    await owner.run_jobs()
    assert sorted(a.target for a in receiver.arrived) == ["/all", "/made"]
    assert len({a.headers["webhook-id"] for a in receiver.arrived}) == 2


async def test_an_event_of_a_transaction_that_is_undone_is_never_sent(owner: Owner, receiver: Receiver) -> None:
    await owner.make(receiver.url)
    with contextlib.suppress(ConnectionResetError):
        async with owner.house.database.transaction() as tx:
            await owner.webhooks.announce(tx, owner.id, Event("thing.made", datetime.now(UTC), {}))
            raise ConnectionResetError
    assert await owner.run_jobs() == []
    assert receiver.arrived == []


async def test_a_failed_attempt_is_made_again_with_the_same_id_and_body_and_a_fresh_signature(
    owner: Owner, receiver: Receiver
) -> None:
    receiver.answers += [answer(500, "database on fire"), answer(503), b""]
    endpoint, secret = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    assert len(receiver.arrived) == 1  # the second one is not due yet
    for _ in range(3):
        await owner.later(timedelta(hours=1))
    assert len(receiver.arrived) == 4
    assert len({a.headers["webhook-id"] for a in receiver.arrived}) == 1
    assert len({a.body for a in receiver.arrived}) == 1
    for arrived in receiver.arrived:
        standardwebhooks.Webhook(secret).verify(arrived.body, dict(arrived.headers))
    accepted, broken, busy, failed = await owner.attempts(endpoint.id)
    assert (failed.status, failed.error, failed.response_excerpt) == (500, "it answered 500", "database on fire")
    assert (busy.status, broken.status) == (503, None)
    assert broken.error
    assert (accepted.status, accepted.error, accepted.delivered) == (204, "", True)
    assert failed.next_attempt_at
    assert failed.next_attempt_at > failed.started_at + timedelta(seconds=3)
    assert accepted.next_attempt_at is None
    assert all(a.duration_ms >= 0 for a in (accepted, broken, busy, failed))


async def test_retry_after_decides_when_the_next_attempt_is_due(owner: Owner, receiver: Receiver) -> None:
    receiver.answers.append(answer(429, retry_after="3000"))
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    (failed,) = await owner.attempts(endpoint.id)
    assert failed.next_attempt_at
    assert timedelta(seconds=2990) < failed.next_attempt_at - datetime.now(UTC) <= timedelta(seconds=3000)
    await owner.later(timedelta(seconds=2900))
    assert len(receiver.arrived) == 1
    await owner.later(timedelta(seconds=200))
    assert len(receiver.arrived) == 2


async def test_after_the_last_attempt_nothing_more_is_sent_until_it_is_replayed_by_hand(
    owner: Owner, receiver: Receiver
) -> None:
    receiver.answers += [answer(500)] * 9
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    for _ in range(12):
        await owner.later(DAY)
    assert len(receiver.arrived) == 9
    last = (await owner.attempts(endpoint.id))[0]
    assert (last.status, last.next_attempt_at) == (500, None)
    await owner.replay(endpoint.id, last.message_id)
    await owner.run_jobs()
    assert [a.headers["webhook-id"] for a in receiver.arrived] == [str(last.message_id)] * 10
    assert len(await owner.attempts(endpoint.id, last.message_id)) == 10
    assert (await owner.attempts(endpoint.id))[0].delivered


async def test_a_replay_takes_the_place_of_the_attempt_that_was_due(owner: Owner, receiver: Receiver) -> None:
    receiver.answers.append(answer(500))
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    (failed,) = await owner.attempts(endpoint.id)
    await owner.replay(endpoint.id, failed.message_id)
    await owner.run_jobs()
    await owner.later(DAY)
    assert len(receiver.arrived) == 2


async def test_a_message_of_another_endpoint_cannot_be_replayed(owner: Owner, receiver: Receiver) -> None:
    first, _ = await owner.make(receiver.url, "thing.made")
    second, _ = await owner.make(receiver.url, "thing.gone")
    await owner.announce("thing.made")
    await owner.run_jobs()
    (attempt,) = await owner.attempts(first.id)
    with pytest.raises(MessageNotFound) as refused:
        await owner.replay(second.id, attempt.message_id)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_a_redirect_is_a_failed_attempt_that_says_where_it_led(owner: Owner, receiver: Receiver) -> None:
    receiver.answers.append(answer(307, location="http://169.254.169.254/latest/meta-data/?token=x"))
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    (failed,) = await owner.attempts(endpoint.id)
    assert failed.error == "redirects are not followed; it answered 307 to http://169.254.169.254"
    assert failed.next_attempt_at


async def test_an_address_that_was_open_once_is_checked_at_each_attempt(
    owner: Owner, receiver: Receiver, settings: Any, stored: Any
) -> None:
    endpoint, _ = await owner.make(receiver.url)
    stored("UPDATE hooked.webhook_endpoints SET url = 'http://10.0.0.1/hook'")
    await owner.announce()
    await owner.run_jobs()
    (failed,) = await owner.attempts(endpoint.id)
    assert (failed.status, failed.error) == (None, "10.0.0.1 leads to a private address")
    assert receiver.arrived == []


async def test_410_gone_disables_an_endpoint_at_once_and_its_contact_is_told(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    receiver.answers.append(answer(410))
    endpoint, _ = await owner.make(receiver.url + "?token=secret")
    await owner.announce()
    await owner.announce()
    await owner.run_jobs()
    await owner.later(DAY)
    assert len(receiver.arrived) == 1
    now = await owner.endpoint(endpoint.id)
    assert (now.enabled, now.disabled_reason, now.version) == (False, DisabledReason.GONE, 2)
    told = {"contact": "ines@example.test", "origin": f"http://127.0.0.1:{receiver.port}", "reason": "gone"}
    assert stored("SELECT payload FROM hooked.outbox WHERE kind = 'hooked.told'") == [(told,)]


async def test_an_endpoint_that_fails_for_days_is_disabled_and_its_contact_told_once(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    receiver.answers += [answer(500)] * 100
    endpoint, _ = await owner.make(receiver.url)
    for _ in range(3):
        await owner.announce()
    await owner.run_jobs()
    for _ in range(30):
        await owner.later(DAY)
    assert len(receiver.arrived) == 27
    assert (await owner.endpoint(endpoint.id)).enabled  # often enough, but for some seconds only
    stored("UPDATE hooked.webhook_endpoints SET failing_since = failing_since - interval '3 days'")
    await owner.announce()
    await owner.announce()
    await owner.later(DAY)
    now = await owner.endpoint(endpoint.id)
    assert (now.enabled, now.disabled_reason) == (False, DisabledReason.FAILING)
    assert now.disabled_at
    assert len(receiver.arrived) == 28
    assert len(stored("SELECT 1 FROM hooked.outbox WHERE kind = 'hooked.told'")) == 1


async def test_one_success_forgets_the_failures(owner: Owner, receiver: Receiver, stored: Any) -> None:
    receiver.answers += [answer(500)] * 5
    await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    for _ in range(4):
        await owner.later(DAY)
    assert stored("SELECT failures FROM hooked.webhook_endpoints") == [(5,)]
    await owner.later(DAY)
    assert stored("SELECT failures, failing_since FROM hooked.webhook_endpoints") == [(0, None)]


async def test_a_disabled_endpoint_gets_no_events_and_what_was_due_can_be_replayed_later(
    owner: Owner, receiver: Receiver
) -> None:
    receiver.answers.append(answer(500))
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    assert (await owner.change(endpoint.id, enabled=False)).disabled_reason is DisabledReason.OWNER
    await owner.announce()
    await owner.later(DAY)
    assert len(receiver.arrived) == 1
    enabled = await owner.change(endpoint.id, enabled=True)
    assert (enabled.disabled_reason, enabled.disabled_at) == (None, None)
    (failed,) = await owner.attempts(endpoint.id)
    await owner.replay(endpoint.id, failed.message_id)
    await owner.run_jobs()
    assert len(receiver.arrived) == 2


async def test_a_test_event_reaches_even_a_disabled_endpoint_and_is_tried_once(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    receiver.answers += [answer(500), answer(200, "hello")]
    endpoint, secret = await owner.make(receiver.url, "thing.gone")
    await owner.change(endpoint.id, enabled=False)
    for expected in (500, 200):
        async with owner.house.database.transaction() as tx:
            message_id = await owner.webhooks.test(tx, endpoint.id, owner.id)
        await owner.run_jobs()
        await owner.later(DAY)
        (attempt,) = await owner.attempts(endpoint.id, message_id)
        assert (attempt.event_type, attempt.status, attempt.next_attempt_at) == (TEST_EVENT, expected, None)
    body = standardwebhooks.Webhook(secret).verify(receiver.arrived[0].body, dict(receiver.arrived[0].headers))
    assert (body["type"], body["data"]["webhook_id"]) == (TEST_EVENT, str(endpoint.id))
    assert stored("SELECT failures FROM hooked.webhook_endpoints") == [(0,)]


async def test_a_rotated_secret_signs_beside_the_old_one_until_its_time_is_over(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    endpoint, old = await owner.make(receiver.url)
    async with owner.house.database.transaction() as tx:
        new, until = await owner.webhooks.rotate(tx, endpoint.id, owner.id, timedelta(hours=1))
    assert timedelta(minutes=59) < until - datetime.now(UTC) <= timedelta(hours=1)
    await owner.announce()
    await owner.run_jobs()
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(receiver.arrived[0].body, dict(receiver.arrived[0].headers))
    stored("UPDATE hooked.webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL")
    await owner.announce()
    await owner.run_jobs()
    standardwebhooks.Webhook(new).verify(receiver.arrived[1].body, dict(receiver.arrived[1].headers))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(receiver.arrived[1].body, dict(receiver.arrived[1].headers))


async def test_no_secret_stands_in_the_database_in_the_clear(owner: Owner, receiver: Receiver, stored: Any) -> None:
    _, secret = await owner.make(receiver.url)
    ((sealed,),) = stored("SELECT sealed FROM hooked.webhook_secrets")
    assert secret.removeprefix("whsec_").encode() not in sealed
    assert b"whsec" not in sealed


async def test_a_deleted_endpoint_gets_nothing_more_and_its_secrets_are_gone_at_once(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    async with owner.house.database.transaction() as tx:
        await owner.webhooks.delete(tx, endpoint.id, owner.id, 0)
    await owner.announce()
    await owner.run_jobs()
    assert receiver.arrived == []
    assert stored("SELECT 1 FROM hooked.webhook_secrets") == []


async def test_an_answer_that_cannot_be_stored_as_text_is_shown_without_what_is_none(
    owner: Owner, receiver: Receiver
) -> None:
    body = b"\x00\x1b[31mred\xff\xed\xa0\x80" + b"x" * 70_000
    receiver.answers.append(f"HTTP/1.1 400 No\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    endpoint, _ = await owner.make(receiver.url)
    await owner.announce()
    await owner.run_jobs()
    (failed,) = await owner.attempts(endpoint.id)
    assert failed.response_excerpt.startswith("[31mred")
    assert len(failed.response_excerpt) <= 1_000


async def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while_however_many_messages_wait(
    owner: Owner, receiver: Receiver, stored: Any
) -> None:
    receiver.answers += [answer(500)] * 6
    endpoint, _ = await owner.make(receiver.url)
    for _ in range(20):
        await owner.announce()
    await owner.run_jobs()
    assert len(receiver.arrived) == 5
    await owner.later(timedelta(seconds=5))
    assert len(receiver.arrived) == 5
    stored("UPDATE hooked.webhook_endpoints SET resting_until = now()")
    await owner.run_jobs.pass_time(timedelta(minutes=1))
    await owner.run_jobs()
    assert len(receiver.arrived) == 6  # the one that tried found it as it was
    await owner.later(timedelta(minutes=3))
    await owner.later(timedelta(minutes=3))
    await owner.later(timedelta(hours=1))
    attempts = await owner.attempts(endpoint.id)
    assert len([a for a in attempts if a.delivered]) == 20
    assert len(attempts) == 26


async def test_a_replay_by_hand_and_a_test_disturb_an_endpoints_rest(owner: Owner, receiver: Receiver) -> None:
    receiver.answers += [answer(500)] * 6
    endpoint, _ = await owner.make(receiver.url)
    for _ in range(7):
        await owner.announce()
    await owner.run_jobs()
    assert len(receiver.arrived) == 5
    async with owner.house.database.transaction() as tx:
        await owner.webhooks.test(tx, endpoint.id, owner.id)
    await owner.run_jobs()
    assert len(receiver.arrived) == 6
    await owner.replay(endpoint.id, (await owner.attempts(endpoint.id))[-1].message_id)
    await owner.run_jobs()
    assert len(receiver.arrived) == 7
