"""The status page's part of the API is what it says it is, in front of the real service."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from chassis.identity import Caller
from gateway.testing.description import tried


@pytest.mark.parametrize("mode", ["positive", "negative"])
async def test_answers_to_requests_made_from_the_description_are_as_it_says(
    rest: Callable[[Caller], httpx.AsyncClient], ines: Caller, mode: str
) -> None:
    client = rest(ines)
    operations = await asyncio.to_thread(
        tried,
        str(client.base_url),
        client.headers["Authorization"],
        tags=("status", "statuspage"),
        mode=mode,
        examples=4,
    )
    assert operations > 40
