"""What the details of problems say, and what they point to."""

import grpc
import httpx
import pytest

from chassis.errors import RemoteError, Violation
from gateway.problems import from_remote

PATH = "/api/v1/projects"


@pytest.fixture
def item(ines: httpx.Client) -> str:
    created = ines.post(PATH, json={"name": "Billing API"}, headers={"Idempotency-Key": '"k0"'})
    return str(created.headers["Location"])


def test_the_detail_names_a_value_plainly_and_the_errors_point_to_it(ines: httpx.Client) -> None:
    key = {"Idempotency-Key": '"k1"'}
    answer = ines.post(PATH, json={}, headers=key)
    assert answer.json()["detail"] == "name: must be given"
    assert answer.json()["errors"] == [{"pointer": "/name", "detail": "must be given"}]
    twice = ines.post(PATH, json={"name": "x", "labels": ["same", "same"]}, headers=key)
    assert twice.json()["detail"].startswith("labels[1]: ")
    assert twice.json()["errors"][0]["pointer"] == "/labels/1"


def test_a_services_faults_of_fields_read_like_the_gateways() -> None:
    named = RemoteError(
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_FIELDS",
        "labels[2]: must not be blank",
        (Violation("labels[2]", "must not be blank"), Violation("name", "must be given")),
    )
    problem = from_remote(named)
    assert problem.detail == "labels[2]: must not be blank"
    assert [error.pointer for error in problem.errors] == ["/labels/2", "/name"]


@pytest.mark.parametrize("body", [[], "text", 7, True])
def test_a_body_that_is_no_object_is_told_so_without_a_name_of_a_class(ines: httpx.Client, body: object) -> None:
    answer = ines.post(PATH, json=body, headers={"Idempotency-Key": '"k1"'})
    assert answer.json()["detail"] == "body: must be a JSON object"
    assert answer.json()["errors"] == [{"pointer": "", "detail": "must be a JSON object"}]


def test_what_has_another_version_says_which_and_names_the_clients_own_condition(ines: httpx.Client, item: str) -> None:
    again = "Get it again, look at what changed, and repeat your change with the new ETag."
    for field, value, wanted in (
        ("If-Match", '"7"', ", not the one that If-Match names"),
        ("If-None-Match", "*", ", not the one that If-None-Match allows"),
    ):
        answer = ines.patch(item, json={"name": "C"}, headers={field: value})
        assert answer.status_code == 412
        assert answer.json()["detail"] == f"The resource has version 1{wanted}. {again}"


def test_a_path_with_an_id_that_is_no_uuid_says_what_ids_are(ines: httpx.Client, item: str) -> None:
    for path in (f"{PATH}/7", f"{item}x", f"{item}/members/tomas", f"{PATH}/7/members/tomas"):
        answer = ines.delete(path)
        assert answer.status_code == 404
        assert "ids are UUIDs" in answer.json()["detail"]
    for path in ("/api/v1/nothing", f"{PATH}/", "/api/v1/invitations/a.b", PATH + "/7" * 2_000):
        elsewhere = ines.get(path)
        assert (elsewhere.status_code, elsewhere.json()["detail"]) == (404, "There is nothing at this address.")


def test_a_path_that_ends_in_a_line_break_is_404(ines: httpx.Client, item: str) -> None:
    for path in (PATH, item, f"{item}/members"):
        assert ines.get(path).status_code == 200
        assert ines.get(f"{path}%0a").status_code == 404
