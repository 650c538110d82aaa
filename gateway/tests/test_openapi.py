"""The API is what it says it is."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from fastapi import FastAPI

from gateway.openapi import document as describe_api
from gateway.problem_types import TYPES
from gateway.routes import invitations, projects, projects_webhooks
from gateway.services import SERVICES
from gateway.testing.description import tried
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


def test_every_write_that_can_be_repeated_tells_the_status_of_its_repetition(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ())):
            assert {"200", "204"} & operation["responses"].keys(), (method, path)


def check(document: dict[str, Any], name: str, value: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    jsonschema_rs.validate(schema, value)


# JSON Schema 2020-12 (core, validation) and OpenAPI 3.1's own vocabulary (section 4.8.24).
KEYWORDS = frozenset(
    re.findall(
        r"\S+",
        """
        $id $schema $ref $anchor $dynamicRef $dynamicAnchor $vocabulary $comment $defs
        prefixItems items contains additionalProperties properties patternProperties dependentSchemas propertyNames
        if then else allOf anyOf oneOf not unevaluatedItems unevaluatedProperties
        type enum const multipleOf maximum exclusiveMaximum minimum exclusiveMinimum maxLength minLength pattern
        maxItems minItems uniqueItems maxContains minContains maxProperties minProperties required dependentRequired
        title description default deprecated readOnly writeOnly examples format
        contentEncoding contentMediaType contentSchema
        discriminator xml externalDocs example
        """,
    )
)
BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs"})
LISTED = frozenset({"prefixItems", "allOf", "anyOf", "oneOf"})
SINGLE = frozenset(
    {
        "items",
        "contains",
        "additionalProperties",
        "propertyNames",
        "if",
        "then",
        "else",
        "not",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)


def schemas(node: Any) -> Iterator[dict[str, Any]]:
    """Find every schema of a part of the document that is no schema itself."""
    if isinstance(node, dict):
        for name, member in node.items():
            if name == "schema":
                yield from within(member)
            elif name == "schemas":
                for schema in member.values():
                    yield from within(schema)
            elif name not in {"example", "examples"}:
                yield from schemas(member)
    elif isinstance(node, list):
        for member in node:
            yield from schemas(member)


def within(schema: Any) -> Iterator[dict[str, Any]]:
    """Give a schema and those inside it; `true` and `false` are schemas too."""
    if isinstance(schema, bool):
        return
    yield schema
    for keyword, value in schema.items():
        below = value.values() if keyword in BY_NAME else value if keyword in LISTED else [value]
        if keyword in BY_NAME | LISTED | SINGLE:
            for inner in below:
                yield from within(inner)


def whole_api() -> dict[str, Any]:
    """Describe the API with every service that an installation can have."""
    api = FastAPI(title="NeoForge API")
    for routes in (projects.projects, projects.members, invitations.invitations, projects_webhooks.webhooks):
        api.router.routes += routes
    for service in SERVICES:
        api.router.routes += [route for routes in service.routes for route in routes]
    return describe_api(api, "https://forge.example.test")


def test_every_word_of_a_schema_is_one_that_json_schema_or_openapi_knows() -> None:
    found = list(schemas(whole_api()))
    assert len(found) > 1_000
    assert [schema for schema in found if not schema.keys() <= KEYWORDS] == []


def test_the_bounds_of_page_numbers_are_told(document: dict[str, Any]) -> None:
    bounds = {
        parameter["name"]: (parameter["schema"]["minimum"], parameter["schema"]["maximum"])
        for parameter in document["paths"]["/api/v1/projects"]["get"]["parameters"]
        if parameter["name"] in {"page", "page_size"}
    }
    assert bounds == {"page": (1, 10_001), "page_size": (1, 100)}


def test_the_body_that_may_be_left_out_is_told(document: dict[str, Any]) -> None:
    rotation = document["paths"]["/api/v1/webhooks/{webhook_id}/rotate-secret"]["post"]
    assert not rotation["requestBody"].get("required", False)
    assert document["paths"]["/api/v1/webhooks"]["post"]["requestBody"]["required"] is True


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


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return whole_api()


def links(whole: dict[str, Any], method: str, path: str, status: str) -> dict[str, Any]:
    found: dict[str, Any] = whole["paths"][path][method]["responses"][status].get("links", {})
    return found


def test_whatever_is_made_leads_to_what_can_be_done_with_it(whole: dict[str, Any]) -> None:
    item = {"path.project_id": "$response.body#/id"}
    guarded = item | {"header.If-Match": "$response.header.ETag"}
    for status in ("201", "200"):  # made, and told again
        made = links(whole, "post", "/api/v1/projects", status)
        assert made["getProject"] == {"operationId": "getProject", "parameters": item}
        assert made["updateProject"] == {"operationId": "updateProject", "parameters": guarded}
        assert made["listMembers"]["parameters"] == item
    makers = [path for _, path, operation in operations(whole) if "201" in operation["responses"]]
    # A new account signs in by its own address; a message is read with the others of its ticket.
    assert [path for path in makers if not links(whole, "post", path, "201")] == [
        "/api/v1/auth/register/confirm",
        "/api/v1/support/tickets/{ticket_id}/messages",
    ]


def test_what_is_made_below_something_is_found_there_or_by_itself(whole: dict[str, Any]) -> None:
    invited = links(whole, "post", "/api/v1/projects/{project_id}/invitations", "201")
    assert invited["revokeInvitation"]["parameters"] == {
        "path.project_id": "$request.path.project_id",
        "path.invitation_id": "$response.body#/id",
    }
    replied = links(whole, "post", "/api/v1/community/posts/{post_id}/replies", "201")
    assert replied["getReply"]["parameters"] == {"path.reply_id": "$response.body#/id"}
    category = links(whole, "post", "/api/v1/community/categories", "201")
    assert category["getCategory"]["parameters"] == {"path.slug": "$response.body#/slug"}


def test_a_tag_is_for_the_changes_that_take_it(whole: dict[str, Any]) -> None:
    item = {"path.post_id": "$request.path.post_id"}
    for method in ("get", "patch"):
        shown = links(whole, method, "/api/v1/community/posts/{post_id}", "200")
        assert shown.keys() == {"updatePost", "deletePost"}
        assert shown["updatePost"]["parameters"] == item | {"header.If-Match": "$response.header.ETag"}
    assert not links(whole, "get", "/api/v1/projects/{project_id}/members", "200")


def test_every_link_names_an_operation_and_its_parameters(whole: dict[str, Any]) -> None:
    known = {
        operation["operationId"]: {f"{one['in']}.{one['name']}" for one in operation.get("parameters", ())}
        for _, _, operation in operations(whole)
    }
    found = [
        link
        for _, _, operation in operations(whole)
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    ]
    assert len(found) > 150
    assert [link for link in found if not link["parameters"].keys() <= known[link["operationId"]]] == []


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_answers_to_requests_made_from_the_description_are_as_it_says(
    edge: Edge, issuer: StandInIssuer, mode: str
) -> None:
    tags = ("projects", "members", "operation")
    assert tried(edge.url, f"Bearer {issuer.token(INES)}", tags=tags, mode=mode, examples=5) > 10
