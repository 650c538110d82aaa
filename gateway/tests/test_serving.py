"""How the gateway's process ends."""

import asyncio
from typing import Never

import pytest

from chassis.cancelling import EX_SOFTWARE
from chassis.embedded.redis import Redis
from gateway import queues, serving
from gateway.settings import GatewaySettings
from gateway.testing.issuer import AUDIENCE, ISSUER, StandInIssuer


async def test_a_gateway_of_which_a_part_fails_ends_and_says_so_by_its_status(
    redis_server: Redis, issuer: StandInIssuer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(_: object) -> Never:
        raise ZeroDivisionError("by a clock that stood still")

    monkeypatch.setattr(queues, "watch", fails)
    settings = GatewaySettings.model_validate(
        {
            "environment": "test",
            "listen": "127.0.0.1:0",
            "public_url": "http://localhost",
            "projects_target": "127.0.0.1:1",
            "redis_url": redis_server.url,
            "jwks_url": issuer.url,
            "token_issuer": ISSUER,
            "token_audience": AUDIENCE,
            "farewell_s": 0,
        }
    )
    assert await asyncio.wait_for(serving.serve(settings), 60) == EX_SOFTWARE
    assert "a part of this process has failed" in caplog.text
