"""How many attempts one owner's webhooks may have under way."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hooked.owner import Owner

from chassis.testing.plugin import PASSWORD
from chassis.testing.receiver import Receiver, answer
from chassis.testing.waiting import until


@pytest.fixture
def own_settings() -> Mapping[str, Any]:
    return {"webhook_secret_key": PASSWORD, "webhook_allowed_networks": "127.0.0.0/8", "webhook_timeout_s": 60}


async def test_one_owners_webhooks_take_no_more_places_than_one_may_have_and_the_rest_come_later(
    owner: Owner, receiver: Receiver
) -> None:
    release = asyncio.Event()

    async def hold(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(answer(204))

    receiver.answers.extend([hold] * 4)
    other = Owner(owner.house, owner.webhooks, owner.run_jobs, UUID(int=7))
    for _ in range(6):
        await owner.make(receiver.url)
    await other.make(f"http://127.0.0.1:{receiver.port}/other")
    await owner.announce()
    held = [asyncio.create_task(owner.run_jobs.next()) for _ in range(4)]
    await until(lambda: len(receiver.arrived) == 4)
    assert [ran.outcome for ran in [await owner.run_jobs.next() for _ in range(2)] if ran] == ["succeeded"] * 2
    assert len(receiver.arrived) == 4
    await other.announce()
    await owner.run_jobs()
    assert receiver.arrived[-1].target == "/other"
    release.set()
    await asyncio.gather(*held)
    await owner.later(timedelta(minutes=1))
    assert len([a for a in receiver.arrived if a.target == "/hook"]) == 6
