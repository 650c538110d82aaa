from typing import Any

import httpx

PATH = "/api/v1/projects"


def create(client: httpx.Client, key: str = "k1", **fields: Any) -> httpx.Response:
    return client.post(PATH, json={"name": "Billing API", **fields}, headers={"Idempotency-Key": f'"{key}"'})


def test_a_created_project_is_201_with_its_address_and_tag(ines: httpx.Client) -> None:
    answer = create(ines, labels=["backend"], visibility="public")
    assert answer.status_code == 201
    project = answer.json()
    assert answer.headers["Location"] == f"{PATH}/{project['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert project["created_at"] == "2023-11-14T22:13:21.123456Z"
    assert ines.get(answer.headers["Location"]).json() == project
