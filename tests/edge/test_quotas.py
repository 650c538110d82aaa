"""A quota is one quota, however many gateways count."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.reliability.interleaved import another_gateway

from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")

GATEWAYS = 4
BURST = 100
A_DAY_S = 86_400
"""So that not one comes back while the test lasts."""
TRIES = 5


def counted_alone(clients: Sequence[httpx.Client]) -> float:
    """How many requests were decided without Redis, which on a busy machine may not answer in time."""
    lines = "\n".join(client.get("/metrics").text for client in clients).splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("rate_limit_local_decisions_total "))


def crowd(clients: Sequence[httpx.Client]) -> Counter[int]:
    """The statuses that a thousand requests of one address get, each claiming another one before it."""
    address = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"

    def ask(number: int) -> int:
        claimed = {"X-Forwarded-For": f"198.51.100.{number % 250}, {address}"}
        return clients[number % GATEWAYS].get("/api/v1/community/posts", headers=claimed).status_code

    with ThreadPoolExecutor(16) as pool:
        return Counter(pool.map(ask, range(1_000)))


def test_a_thousand_at_once_over_four_gateways_get_exactly_the_burst(stack: Stack, tmp_path: Path) -> None:
    with ExitStack() as running:
        quotas = f"public={BURST}/{A_DAY_S}"
        urls = [running.enter_context(another_gateway(stack, tmp_path, quotas)) for _ in range(GATEWAYS)]
        clients = [running.enter_context(httpx.Client(base_url=url, timeout=60, trust_env=False)) for url in urls]
        for _ in range(TRIES):
            before = counted_alone(clients)
            statuses = crowd(clients)
            if counted_alone(clients) == before:
                break
        else:
            pytest.fail(f"Redis never answered all in time, {TRIES} times")
    assert statuses == {200: BURST, 429: 1_000 - BURST}
