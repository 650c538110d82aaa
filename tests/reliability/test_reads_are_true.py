"""Whatever is killed or paused: no read is stale after an acknowledged write, and nobody gets another's answer."""

import asyncio
from pathlib import Path

import pytest
from tests.reliability.interleaved import another_gateway, interleave

from devstack.testing import Stack

pytestmark = pytest.mark.xdist_group("stack")


def test_one_order_of_events_explains_all_answers_of_two_gateways(stack: Stack, tmp_path: Path) -> None:
    with another_gateway(stack, tmp_path) as second:
        record = asyncio.run(interleave(stack, [stack.url, second], 500, seed=7))
    assert record.faulty() == []
    assert len(record.history) >= 500
    assert record.faults
