import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.jobs import JobRunner
from devstack.mailcatcher import message
from devstack.mailcatcher.catcher import Catcher
from neoforge.status.v1 import incidents_pb2
from neoforge.status.v1 import subscribers_pb2 as pb
from status import jobs
from status.testing import Board, Clock

Refused = Callable[[Awaitable[Any]], Awaitable[str]]
MARA = "mara@example.test"
LINK = re.compile(r"https://forge\.example\.test/api/v1/status/subscriptions/([\w-]+)")


@pytest_asyncio.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    async with Catcher(tmp_path) as running:
        yield running


@pytest.fixture
def own_settings(own_settings: Mapping[str, Any], catcher: Catcher) -> Mapping[str, Any]:
    return {**own_settings, "smtp_url": f"smtp://127.0.0.1:{catcher.smtp_port}"}


def mails(catcher: Catcher, to: str = MARA) -> list[EmailMessage]:
    """The mails to an address, the newest first."""
    found = [catcher.store.get(mail.id) for mail in catcher.store.list(to=to)]
    return [message.parse(one[1]) for one in found if one]


def token(mail: EmailMessage) -> str:
    found = LINK.search(message.text(mail) or "")
    assert found is not None
    return found[1]


async def subscribe(call: Client, email: str = MARA, language: str = "") -> None:
    await call(NOBODY, "Subscribe", pb.SubscribeRequest(email=email, language=language))


async def confirmed(call: Client, run_jobs: JobRunner, catcher: Catcher, email: str = MARA) -> str:
    """Subscribe and confirm, and give the link's token."""
    await subscribe(call, email)
    await run_jobs()
    link = token(mails(catcher, email)[0])
    await call(NOBODY, "ConfirmSubscription", pb.ConfirmSubscriptionRequest(token=link))
    return link


async def test_a_sign_up_is_asked_once_and_told_nothing_until_it_confirms(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await subscribe(call)
    await subscribe(call, "MARA@example.test")
    await board.incident("Before")
    await run_jobs()
    [asked] = mails(catcher)
    assert asked["Subject"] == "Confirm that you want news of our status"
    listed = await call(board.admin, "ListSubscribers", pb.ListSubscribersRequest())
    assert [(one.email, one.HasField("confirmed_at")) for one in listed.subscribers] == [(MARA, False)]

    await call(NOBODY, "ConfirmSubscription", pb.ConfirmSubscriptionRequest(token=token(asked)))
    opened = await board.incident("After", body="We look into it.")
    await run_jobs()
    [told, _] = mails(catcher)
    assert told["Subject"] == "[investigating] After"
    assert "We look into it." in (message.text(told) or "")
    await board.tell(opened, "It is over.", status=incidents_pb2.INCIDENT_STATUS_RESOLVED)
    await run_jobs()
    assert mails(catcher)[0]["Subject"] == "[resolved] After"


async def test_the_answer_to_a_sign_up_never_says_whether_the_address_was_known(
    call: Client, run_jobs: JobRunner, catcher: Catcher, clock: Clock
) -> None:
    await confirmed(call, run_jobs, catcher)
    clock.passes(days=1)
    first = await call.full(NOBODY, "Subscribe", pb.SubscribeRequest(email=MARA))
    second = await call.full(NOBODY, "Subscribe", pb.SubscribeRequest(email="new@example.test"))
    assert first.message == second.message
    await run_jobs()
    assert (len(mails(catcher)), len(mails(catcher, "new@example.test"))) == (1, 1)


async def test_whoever_lost_the_mail_is_asked_again_after_an_hour(
    call: Client, run_jobs: JobRunner, catcher: Catcher, clock: Clock
) -> None:
    await subscribe(call)
    await run_jobs()
    clock.passes(minutes=59)
    await subscribe(call)
    await run_jobs()
    assert len(mails(catcher)) == 1
    clock.passes(minutes=2)
    await subscribe(call)
    await run_jobs()
    assert len(mails(catcher)) == 2


async def test_an_address_is_asked_in_its_language(call: Client, run_jobs: JobRunner, catcher: Catcher) -> None:
    await subscribe(call, language="de-AT")
    await run_jobs()
    assert mails(catcher)[0]["Subject"] == "Bitte bestätigen: Nachrichten über unseren Status"


async def test_a_mail_of_an_incident_ends_the_subscription_by_one_click(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await confirmed(call, run_jobs, catcher)
    await board.incident()
    await run_jobs()
    mail = mails(catcher)[0]
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = LINK.search(mail["List-Unsubscribe"])
    assert found is not None
    for _ in range(2):
        await call(NOBODY, "Unsubscribe", pb.UnsubscribeRequest(token=found[1]))
    assert not (await call(board.admin, "ListSubscribers", pb.ListSubscribersRequest())).subscribers
    await board.incident()
    await run_jobs()
    assert len(mails(catcher)) == 2


async def test_a_mail_on_its_way_is_not_sent_to_who_has_unsubscribed_meanwhile(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher
) -> None:
    link = await confirmed(call, run_jobs, catcher)
    await board.incident()
    await call(NOBODY, "Unsubscribe", pb.UnsubscribeRequest(token=link))
    await run_jobs()
    assert len(mails(catcher)) == 1


async def test_a_link_that_is_none_of_ours_or_too_old_does_nothing(
    call: Client, run_jobs: JobRunner, catcher: Catcher, clock: Clock, refused: Refused
) -> None:
    await subscribe(call)
    await run_jobs()
    link = token(mails(catcher)[0])
    shown = await call(NOBODY, "GetSubscription", pb.GetSubscriptionRequest(token=link))
    assert (shown.email, shown.confirmed) == (MARA, False)
    for broken in (link[:-1], link[::-1], "", "A" * 200, "🚀"):
        assert await refused(call(NOBODY, "Unsubscribe", pb.UnsubscribeRequest(token=broken))) == "NOT_FOUND"
    clock.passes(days=8)
    confirm = pb.ConfirmSubscriptionRequest(token=link)
    assert await refused(call(NOBODY, "ConfirmSubscription", confirm)) == "NOT_FOUND"


async def test_an_address_that_never_confirmed_is_forgotten(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher, clock: Clock
) -> None:
    await subscribe(call, "never@example.test")
    await confirmed(call, run_jobs, catcher)
    clock.passes(days=8)
    async with run_jobs._house.database.connection() as connection:
        await jobs.subscribers.forget(connection, clock() - timedelta(days=7))
    listed = await call(board.admin, "ListSubscribers", pb.ListSubscribersRequest())
    assert [one.email for one in listed.subscribers] == [MARA]


async def test_planned_maintenance_is_told_of_and_what_is_over_is_not(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await confirmed(call, run_jobs, catcher)
    api = await board.component()
    await board.window(api, starts=timedelta(hours=1), ends=timedelta(hours=2))
    await board.window(api, starts=timedelta(hours=-2), ends=timedelta(hours=-1), title="Old disks")
    await run_jobs()
    [told, _] = mails(catcher)
    assert told["Subject"] == "[maintenance] New disks"
    assert "Components: Api" in (message.text(told) or "")


async def test_many_subscribers_are_told_in_batches_once_each(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    addresses = [f"person{i}@example.test" for i in range(5)]
    for address in addresses:
        await confirmed(call, run_jobs, catcher, address)
    await board.incident("Once")
    ran = await run_jobs()
    assert [one.outcome for one in ran if one.kind == "subscriber.mail"] == ["succeeded"] * 3
    for address in addresses:
        assert [mail["Subject"] for mail in mails(catcher, address)].count("[investigating] Once") == 1


async def test_two_sign_ups_at_once_make_one_subscriber_and_one_mail(
    board: Board, call: Client, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await asyncio.gather(*(subscribe(call) for _ in range(8)))
    await run_jobs()
    assert len((await call(board.admin, "ListSubscribers", pb.ListSubscribersRequest())).subscribers) == 1
    assert len(mails(catcher)) == 1


async def test_subscribers_are_for_admins_alone(call: Client, refused: Refused, tomas: Caller) -> None:
    assert await refused(call(NOBODY, "ListSubscribers", pb.ListSubscribersRequest())) == "UNAUTHENTICATED"
    assert await refused(call(tomas, "ListSubscribers", pb.ListSubscribersRequest())) == "FORBIDDEN"
    assert await refused(call(NOBODY, "Subscribe", pb.SubscribeRequest(email="no address"))) == "INVALID_FIELDS"
