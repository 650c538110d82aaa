import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from chassis.house import House
from chassis.mail.addresses import Address, Mailbox
from chassis.mail.mails import Mails
from chassis.mail.settings import MailSettings
from chassis.testing.jobs import JobRunner
from chassis.testing.plugin import Logins
from devstack.mailcatcher import message
from devstack.mailcatcher.catcher import Catcher

House_ = House[MailSettings]


@pytest.fixture
def mails(service: Any) -> Mails:
    from postbox.mails import mails as those  # noqa: PLC0415 - its folder is on the path once the service is

    return those


async def put(
    house: House_,
    mails: Mails,
    to: str = "ines@example.test",
    *,
    name: str = "Ines",
    about: str = "plans",
    language: str = "en",
) -> UUID:
    async with house.database.transaction() as tx:
        return await mails.put(
            tx,
            house.outbox,
            to=Mailbox.of(name, to),
            template="greeting",
            language=language,
            context={"name": name, "about": about},
        )


def outbox(database: Logins) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.admin) as connection:
        return connection.execute("SELECT id, attempts, last_error, dead_at IS NOT NULL FROM postbox.outbox").fetchall()


async def test_a_mail_is_sent_once_its_cause_is_committed(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher
) -> None:
    id_ = await put(house, mails, name="أحمد", language="de-AT")
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    [caught] = catcher.store.list(to="ines@example.test")
    assert caught.subject == "Hallo \u2068أحمد\u2069, es geht um plans"
    assert caught.message_id == f"<{id_}@example.test>"
    assert caught.sender == "no-reply@example.test"


async def test_a_mail_whose_cause_is_rolled_back_is_never_sent(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher
) -> None:
    async def fail() -> None:
        async with house.database.transaction() as tx:
            to = Mailbox.of("", "ines@example.test")
            await mails.put(tx, house.outbox, to=to, template="greeting", language="en", context={})
            raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await fail()
    assert await run_jobs() == []
    assert catcher.store.list() == []


async def test_what_is_secret_in_a_mail_stands_in_it_and_in_no_table(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    await put(house, mails)
    with psycopg.connect(database.admin) as connection:
        [(payload,)] = connection.execute("SELECT payload FROM postbox.outbox").fetchall()
    assert "secret-token" not in json.dumps(payload)
    await run_jobs()
    [caught] = catcher.store.list()
    found = catcher.store.get(caught.id)
    assert found is not None
    parsed = message.parse(found[1])
    assert "https://example.test/#secret-token" in (message.text(parsed) or "")
    assert 'href="https://example.test/#secret-token"' in (message.html(parsed) or "")


async def test_a_mail_that_is_no_longer_due_is_not_sent(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    await put(house, mails, about="revoked")
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    assert catcher.store.list() == []
    assert outbox(database) == []


async def test_a_mail_of_a_list_says_how_to_leave_it(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher
) -> None:
    await put(house, mails, about="news")
    await run_jobs()
    found = catcher.store.get(catcher.store.list()[0].id)
    assert found is not None
    fields = dict(message.headers(message.parse(found[1])))
    assert fields["List-Unsubscribe"] == "<https://news.example.test/leave?token=secret>"
    assert fields["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


async def test_a_mail_that_is_refused_for_now_is_tried_again_until_it_is_taken(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    await put(house, mails, "temporary-refusal+2@example.test")
    outcomes = []
    for _ in range(3):
        outcomes += [ran.outcome for ran in await run_jobs()]
        await run_jobs.pass_time(timedelta(minutes=1))
    assert outcomes == ["failed", "failed", "succeeded"]
    assert len(catcher.store.list()) == 1
    assert outbox(database) == []


async def test_an_address_that_is_refused_for_good_is_not_tried_again_until_it_is_allowed_again(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher
) -> None:
    for address in ("permanent-refusal@example.test", "Permanent-Refusal@EXAMPLE.test"):
        await put(house, mails, address)
        assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    async with house.database.connection() as connection:
        [kept] = await mails.store.suppressions(connection)
        assert (kept.address, kept.code) == ("permanent-refusal@example.test", 550)
        assert kept.reply == "550 5.1.1 There is no such mailbox"
        refused = Address.parse("permanent-refusal@example.test")
        assert await mails.store.suppressed(connection, refused)
        assert await mails.store.lift(connection, refused)
        assert not await mails.store.lift(connection, refused)
        assert not await mails.store.suppressed(connection, refused)


async def test_a_mail_that_no_server_will_take_becomes_a_dead_letter_and_its_address_stays_good(
    house: House_, mails: Mails, run_jobs: JobRunner, tmp_path: Any, database: Logins
) -> None:
    async with Catcher(tmp_path / "ascii", smtputf8=False) as old:
        settings = house.settings.model_copy(
            update={
                "smtp_url": type(house.settings.smtp_url)(f"smtp://127.0.0.1:{old.smtp_port}"),
                "smtp_starttls": False,
            }
        )
        object.__setattr__(house, "settings", settings)
        await put(house, mails, "müller@example.test")
        assert [ran.outcome for ran in await run_jobs()] == ["dead"]
    [(_, attempts, error, dead)] = outbox(database)
    assert (attempts, dead) == (1, True)
    assert "SMTPUTF8" in error
    async with house.database.connection() as connection:
        assert await mails.store.suppressions(connection) == []


async def test_what_is_beyond_an_addresss_limit_waits_once_and_then_goes(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher, database: Logins
) -> None:
    for _ in range(7):
        await put(house, mails)
    await put(house, mails, "tomas@example.test")
    await run_jobs()
    assert len(catcher.store.list(to="ines@example.test")) == 3
    assert len(catcher.store.list(to="tomas@example.test")) == 1
    for expected in (6, 7):
        await an_hour_passes(house, run_jobs, database)
        await run_jobs()
        assert len(catcher.store.list(to="ines@example.test")) == expected
    assert outbox(database) == []
    assert all(mail.deliveries == 1 for mail in catcher.store.list())


async def an_hour_passes(house: House_, run_jobs: JobRunner, database: Logins) -> None:
    await run_jobs.pass_time(timedelta(minutes=61))
    with psycopg.connect(database.admin) as connection:
        connection.execute("UPDATE postbox.mail_slots SET slot_at = slot_at - interval '61 minutes'")


async def test_the_limit_holds_when_messages_to_one_address_are_asked_for_at_once(
    house: House_, mails: Mails, database: Logins
) -> None:
    ids = [await put(house, mails) for _ in range(9)]
    address = Address.parse("ines@example.test")

    async def ask(id_: UUID) -> Any:
        async with house.database.transaction() as tx:
            return await mails.store.slot(tx, id_, address, 3)

    first = await asyncio.gather(*map(ask, ids))
    assert first.count(None) == 3
    assert await asyncio.gather(*map(ask, ids)) == first
    with psycopg.connect(database.admin) as connection:
        slots = [row[0] for row in connection.execute("SELECT slot_at FROM postbox.mail_slots ORDER BY slot_at")]
    assert all(later - earlier >= timedelta(hours=1) for earlier, later in zip(slots, slots[3:], strict=False))


async def test_slots_are_forgotten_when_no_limit_asks_for_them(
    house: House_, mails: Mails, run_jobs: JobRunner, database: Logins
) -> None:
    await put(house, mails)
    await run_jobs()
    with psycopg.connect(database.admin) as connection:
        connection.execute("UPDATE postbox.mail_slots SET slot_at = slot_at - interval '2 hours'")
    await put(house, mails, "tomas@example.test")
    await run_jobs()
    async with house.database.connection() as connection:
        assert await mails.store.forget_slots(connection) == 1
        assert await mails.store.forget_slots(connection) == 0


async def test_a_delivery_that_is_repeated_is_the_same_mail(
    house: House_, mails: Mails, run_jobs: JobRunner, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the worker is killed between the server's acceptance and the commit."""
    await put(house, mails)

    async def die(*_: Any) -> bool:
        raise ConnectionAbortedError

    with monkeypatch.context() as killed:
        killed.setattr(type(run_jobs.store), "finish", die)
        assert [ran.outcome for ran in await run_jobs()] == ["failed"]
    await run_jobs.pass_time(timedelta(minutes=1))
    assert [ran.outcome for ran in await run_jobs()] == ["succeeded"]
    assert [mail.deliveries for mail in catcher.store.list()] == [2]


async def test_no_address_stands_in_a_log_line(
    house: House_, mails: Mails, run_jobs: JobRunner, caplog: pytest.LogCaptureFixture
) -> None:
    for address in ("secret-ines@example.test", "permanent-refusal@example.test", "temporary-refusal@example.test"):
        await put(house, mails, address)
    with caplog.at_level("INFO", logger="chassis"):
        await run_jobs()
    lines = [
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name.startswith("chassis")
    ]
    assert any("mail.send" in line for line in lines)
    assert not any("secret-ines" in line or "refusal@" in line for line in lines)
