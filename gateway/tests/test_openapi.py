"""The API is what it says it is."""

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from gateway.problems import TYPES
from gateway.testing.edge import Edge
from gateway.testing.issuer import StandInIssuer

INES = "018f0000-0000-7000-8000-000000000001"


@pytest.fixture(scope="session")
def document(shared_edge: Edge) -> dict[str, Any]:
    written: dict[str, Any] = httpx.get(f"{shared_edge.url}/openapi.json").json()
    return written


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_every_operation_has_an_id_of_its_own_and_says_who_may_call(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(identifier.isalnum() for identifier in ids)
    for _, path, operation in operations(document):
        signed_in = [{"bearer": []}] if path.startswith("/api/") else []
        assert operation["security"] in (signed_in, [{}, *signed_in])
        assert operation["tags"]


def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if not path.startswith("/api/"):
            continue
        for status in ("401", "422", "429", "500", "503", "504"):
            assert status in operation["responses"], (method, path)
        if method in {"post", "patch", "put"}:
            assert {"413", "415", "400"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if status >= "400":
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert content["examples"]


def check(document: dict[str, Any], name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema_rs.validate(schema, value)


def test_the_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    examples = document["components"]["examples"]
    assert examples.keys() == {type_.name for type_ in TYPES.values()}
    for example in examples.values():
        check(document, "Problem", example["value"])
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            check(document, name, example)


def test_what_may_be_sent_is_closed_and_bounded(document: dict[str, Any]) -> None:
    for name in ("NewProject", "ProjectChanges", "MemberRole"):
        assert document["components"]["schemas"][name]["additionalProperties"] is False
    for method, path, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert "anyOf" not in parameter["schema"], (method, path, parameter["name"])


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_answers_to_requests_made_from_the_description_are_as_it_says(
    edge: Edge, issuer: StandInIssuer, mode: schemathesis.GenerationMode
) -> None:
    api = schemathesis.openapi.from_url(f"{edge.url}/openapi.json").include(tag=["projects", "members", "operation"])
    authorization = {"Authorization": f"Bearer {issuer.token(INES)}"}
    checks: list[Any] = list(schemathesis.checks.CHECKS.get_by_names(CHECKS))
    few = settings(
        max_examples=5, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    for result in api.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr] # an invalid schema fails the test here

        @few
        @given(case=operation.as_strategy(generation_mode=mode))
        def attempt(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(base_url=edge.url, headers=authorization, checks=checks)

        try:
            attempt()
        except Unsatisfiable:  # nothing about this operation can be wrong
            assert mode is schemathesis.GenerationMode.NEGATIVE
