import httpx
import pytest
from fastapi import FastAPI

from gateway.health import Readiness
from gateway.probes import add_probes


@pytest.mark.parametrize("forwarded", [{}, {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}])
@pytest.mark.parametrize("production", [False, True])
async def test_in_production_metrics_are_for_who_comes_through_no_proxy(
    forwarded: dict[str, str], production: bool
) -> None:
    api = FastAPI()
    add_probes(api, Readiness({}), production=production)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://gateway") as client:
        answer = await client.get("/metrics", headers=forwarded)
        assert answer.status_code == (404 if production and forwarded else 200)
        assert (await client.get("/health", headers=forwarded)).status_code == 200
