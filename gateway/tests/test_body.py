"""A body is read as the JSON value that it writes."""

from typing import Any

import pytest
from starlette.types import Message

from gateway.body import JSON, read_json


async def read(content: str) -> Any:
    async def receive() -> Message:
        return {"type": "http.request", "body": content.encode()}

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    return await read_json({"type": "http", "headers": headers}, receive, JSON, 10_000)


@pytest.mark.parametrize("written", ["7", "7.0", "7.000", "70e-1", "0.7E1"])
async def test_an_integer_is_one_however_it_is_written(written: str) -> None:
    value = await read(f'{{"position": {written}, "of": [{written}]}}')
    assert value == {"position": 7, "of": [7]}
    assert {type(value["position"]), type(value["of"][0])} == {int}


async def test_what_is_no_integer_or_too_large_to_be_one_to_everybody_stays_as_it_is() -> None:
    value = await read('[7.5, 1e300, "7.0", 9007199254740993.0, true, null]')
    assert [type(item) for item in value] == [float, float, str, float, bool, type(None)]
