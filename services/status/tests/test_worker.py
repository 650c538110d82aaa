"""A real worker process while other people's webhooks hang."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from pydantic import SecretStr

from chassis.embedded.redis import Redis
from chassis.identity import Caller
from chassis.testing.client import Client
from chassis.testing.process import ServiceProcess, environment
from chassis.testing.receiver import Receiver
from chassis.testing.waiting import until
from devstack.mailcatcher.catcher import Catcher
from neoforge.common.v1 import webhooks_pb2
from neoforge.status.v1 import subscribers_pb2 as pb
from status.testing import Board

LONGEST_S = 55.0
"""Less than the 60 s for which the webhooks below hang."""
WEBHOOKS, EVENTS = 20, 5


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        yield listening


@pytest_asyncio.fixture
async def hanging() -> AsyncIterator[Receiver]:
    async with Receiver() as listening:
        listening.answers.extend([hang] * WEBHOOKS * EVENTS)
        yield listening


async def test_webhooks_that_hang_hold_up_no_mail_no_probe_and_nobody_elses_webhook(
    board: Board,
    call: Client,
    mara: Caller,
    tomas: Caller,
    settings: Any,
    redis_server: Redis,
    receiver: Receiver,
    hanging: Receiver,
    tmp_path: Path,
) -> None:
    for _ in range(WEBHOOKS):
        await call(mara, "CreateWebhook", webhooks_pb2.CreateWebhookRequest(url=hanging.url))
    for number in range(EVENTS):
        await board.incident(f"Number {number}")
    await call(tomas, "CreateWebhook", webhooks_pb2.CreateWebhookRequest(url=receiver.url))
    async with Catcher(tmp_path) as catcher:
        told = settings.model_copy(
            update={
                "redis_url": SecretStr(redis_server.url),
                "smtp_url": f"smtp://127.0.0.1:{catcher.smtp_port}",
                "webhook_timeout_s": 60.0,
                "probe_interval_seconds": 5,
            }
        )
        variables = environment(told) | {
            "NEOFORGE_PROBES": f"edge=http://127.0.0.1:{receiver.port}/health",
            "NEOFORGE_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
        }
        with ServiceProcess("status", "worker", variables) as worker:
            worker.wait_for("works")
            await until(lambda: len(hanging.arrived) >= told.webhook_concurrency_per_owner, LONGEST_S)
            before = len([one for one in receiver.arrived if one.target == "/health"])
            await board.incident("What everyone is told of")
            await call(tomas, "Subscribe", pb.SubscribeRequest(email="tomas@example.test"))
            await until(catcher.store.list, LONGEST_S)
            await until(lambda: any(one.target == "/hook" for one in receiver.arrived), LONGEST_S)
            await until(lambda: len([a for a in receiver.arrived if a.target == "/health"]) > before, LONGEST_S)
            assert len(hanging.arrived) == told.webhook_concurrency_per_owner
