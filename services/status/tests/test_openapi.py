"""The status page's part of the API is what it says it is, in front of the real service."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from chassis.identity import Caller

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


# The service beside it draws random numbers of its own meanwhile, which hypothesis takes for its own.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
async def test_answers_to_requests_made_from_the_description_are_as_it_says(
    rest: Callable[[Caller], httpx.AsyncClient], ines: Caller, mode: schemathesis.GenerationMode
) -> None:
    client = rest(ines)
    await asyncio.to_thread(attempt_all, str(client.base_url), dict(client.headers), mode)


def attempt_all(url: str, headers: dict[str, str], mode: schemathesis.GenerationMode) -> None:
    api = schemathesis.openapi.from_url(f"{url.rstrip('/')}/openapi.json").include(tag=["status", "statuspage"])
    checks: list[Any] = list(schemathesis.checks.CHECKS.get_by_names(CHECKS))
    few = settings(
        max_examples=4, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    authorization = {"Authorization": headers["authorization"]}
    operations = list(api.get_all_operations())
    assert len(operations) > 40
    for result in operations:
        operation: Any = result.ok()  # type: ignore[union-attr] # an invalid schema fails the test here

        @few
        @given(case=operation.as_strategy(generation_mode=mode))
        def attempt(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(base_url=url, headers=authorization, checks=checks)

        try:
            attempt()
        except Unsatisfiable:  # nothing about this operation can be wrong
            assert mode is schemathesis.GenerationMode.NEGATIVE
