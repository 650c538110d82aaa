import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.identity import Caller
from chassis.testing.waiting import until
from gateway.testing.edge import Edge

PATH = "/api/v1/support/tickets"
CANNED = "/api/v1/support/canned-replies"
MIB = 1024 * 1024
SignIn = Callable[[Caller], httpx.AsyncClient]

_numbers = itertools.count(1)


def key() -> dict[str, str]:
    return {"Idempotency-Key": f'"key {next(_numbers)}"'}


@pytest.fixture
def as_mara(sign_in: SignIn, mara: Caller) -> httpx.AsyncClient:
    return sign_in(mara)


@pytest.fixture
def as_tomas(sign_in: SignIn, tomas: Caller) -> httpx.AsyncClient:
    return sign_in(tomas)


async def opened(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"subject": "It is broken", "body": "Help", **fields}, headers=key())
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_ticket_goes_from_opening_to_its_end(
    as_mara: httpx.AsyncClient, as_tomas: httpx.AsyncClient, mara: Caller, tomas: Caller
) -> None:
    made = await as_mara.post(
        PATH, json={"subject": "R&D <b>", "body": "👩🏽‍🚀 '; --", "priority": "high"}, headers=key()
    )
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    ticket = made.json()
    item = f"{PATH}/{ticket['id']}"
    assert made.headers["location"] == item
    assert (ticket["subject"], ticket["requester_id"], ticket["assignee_id"]) == ("R&D <b>", str(mara.subject), None)
    read = await as_tomas.get(item)
    assert read.json() == {name: value for name, value in ticket.items() if name != "message_id"}
    assert (await as_tomas.get(item, headers={"If-None-Match": '"1"'})).status_code == 304
    change = {"assignee_id": str(tomas.subject), "status": "pending"}
    taken = await as_tomas.patch(item, json=change, headers={"If-Match": '"1"'})
    assert (taken.status_code, taken.headers["etag"]) == (200, '"2"')
    assert (await as_tomas.patch(item, json=change, headers={"If-Match": '"1"'})).status_code == 412
    again = await as_mara.post(f"{item}/messages", json={"body": "Still"}, headers=key())
    assert (again.status_code, again.json()["from_agent"]) == (201, False)
    assert (await as_mara.get(item)).json()["status"] == "open"
    forbidden = await as_mara.patch(item, json={"priority": "urgent"})
    assert (forbidden.status_code, forbidden.json()["title"]) == (403, "You may not do this")
    illegal = await as_tomas.patch(item, json={"status": "closed"})
    assert (illegal.status_code, illegal.json()["type"].rpartition("/")[2]) == (409, "illegal-move")
    for status in ("solved", "closed"):
        assert (await as_tomas.patch(item, json={"status": status})).status_code == 200
    late = await as_mara.post(f"{item}/messages", json={"body": "Late"}, headers=key())
    assert (late.status_code, late.json()["type"].rpartition("/")[2]) == (409, "ticket-closed")
    history = (await as_mara.get(f"{item}/history")).json()
    assert [entry["event"] for entry in history["items"]] == ["changed", "changed", "replied", "changed", "created"]
    assert history["items"][3]["changes"] == [
        {"field": "status", "before": "open", "after": "pending"},
        {"field": "assignee_id", "before": "", "after": str(tomas.subject)},
    ]


async def test_the_queue_is_filtered_and_paged(as_tomas: httpx.AsyncClient, mara: Caller, tomas: Caller) -> None:
    for i in range(3):
        await opened(as_tomas, subject=f"Printer {i}", labels=["printer"], requester_id=str(mara.subject))
    await opened(as_tomas, subject="Screen", assignee_id=str(tomas.subject))
    page = (await as_tomas.get(PATH, params={"label": "printer", "page_size": 2, "order": "created_at"})).json()
    assert ([t["subject"] for t in page["items"]], page["total"]) == (["Printer 0", "Printer 1"], 3)
    rest = await as_tomas.get(
        PATH, params={"label": "printer", "page_size": 2, "order": "created_at", "cursor": page["next_cursor"]}
    )
    assert [t["subject"] for t in rest.json()["items"]] == ["Printer 2"]
    for query, expected in (
        ({"assignee": "me"}, ["Screen"]),
        ({"assignee": "none", "text": "printer 1"}, ["Printer 1"]),
        ({"requester": "me"}, ["Screen"]),
        ({"overdue": "true"}, []),
        ({"status": "open", "priority": "normal", "page_size": "1"}, ["Screen"]),
    ):
        assert [t["subject"] for t in (await as_tomas.get(PATH, params=query)).json()["items"]] == expected
    for wrong in (
        {"status": "done"},
        {"assignee": "you"},
        {"overdue": "yes"},
        {"overdue": "false"},
        {"order": "size"},
        {"colour": "red"},
    ):
        assert (await as_tomas.get(PATH, params=wrong)).status_code == 422
    assert (await as_tomas.get(PATH, params={"cursor": "123"})).status_code == 400


async def test_notes_are_for_agents(as_mara: httpx.AsyncClient, as_tomas: httpx.AsyncClient) -> None:
    ticket = await opened(as_mara)
    item = f"{PATH}/{ticket['id']}"
    before = (await as_mara.get(f"{item}/messages"), await as_mara.get(item), await as_mara.get(PATH))
    noted = await as_tomas.post(f"{item}/messages", json={"body": "Careful", "internal": True}, headers=key())
    assert (noted.status_code, noted.json()["internal"]) == (201, True)
    after = (await as_mara.get(f"{item}/messages"), await as_mara.get(item), await as_mara.get(PATH))
    assert [a.content for a in after] == [b.content for b in before]
    assert [a.headers["etag"] for a in after] == [b.headers["etag"] for b in before]
    assert (await as_tomas.get(f"{item}/messages")).json()["total"] == 2


async def test_what_cannot_be_kept_is_refused_by_field(as_mara: httpx.AsyncClient) -> None:
    for fields, pointer in (
        ({"subject": "nul \0"}, "/subject"),
        ({"body": "x" * 65_537}, "/body"),
        ({"body": "nul \0"}, "/body"),
        ({"labels": ["a", "a"]}, "/labels/1"),
        ({"contact_email": "no address"}, "/contact_email"),
        ({"priority": "huge"}, "/priority"),
    ):
        answer = await as_mara.post(PATH, json={"subject": "a", "body": "b", **fields}, headers=key())
        assert (answer.status_code, [e["pointer"] for e in answer.json()["errors"]]) == (422, [pointer])
    surrogate = b'{"subject": "\\ud800", "body": "b"}'
    headers = {**key(), "Content-Type": "application/json"}
    assert (await as_mara.post(PATH, content=surrogate, headers=headers)).status_code in {400, 422}
    assert (await as_mara.post(PATH, json={"subject": "a", "body": "x" * MIB}, headers=key())).status_code == 413


async def upload(client: httpx.AsyncClient, ticket: dict[str, Any], content: Any, **options: Any) -> httpx.Response:
    name = options.pop("filename", "log.txt")
    where = f"{PATH}/{ticket['id']}/messages/{ticket['message_id']}/attachments"
    headers = {"Content-Type": "text/html; charset=utf-8", **options}
    return await client.post(where, params={"filename": name}, content=content, headers=headers)


async def in_chunks(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_a_file_of_ten_mebibytes_goes_up_and_down(
    as_mara: httpx.AsyncClient, as_tomas: httpx.AsyncClient
) -> None:
    ticket = await opened(as_mara)
    content = os.urandom(10 * MIB)
    patience = {"Prefer": "wait=1"}  # which is not what a file takes, and is not said to be
    sent = await upload(as_mara, ticket, in_chunks(content), filename='../../Bericht "März".html', **patience)
    assert "preference-applied" not in sent.headers
    assert sent.status_code == 201, sent.text
    attachment = sent.json()
    assert (attachment["filename"], attachment["size"]) == ("Bericht _März_.html", len(content))
    assert attachment["sha256"] == hashlib.sha256(content).hexdigest()
    read = await as_tomas.get(sent.headers["location"], headers=patience)
    assert "preference-applied" not in read.headers
    assert read.content == content
    assert read.headers["content-type"] == "text/html"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["etag"] == f'"{attachment["sha256"]}"'
    disposition = read.headers["content-disposition"]
    assert disposition == "attachment; filename=\"Bericht _M_rz_.html\"; filename*=UTF-8''Bericht%20_M%C3%A4rz_.html"
    known = await as_tomas.get(sent.headers["location"], headers={"If-None-Match": read.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await as_tomas.head(sent.headers["location"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(content)), b"")
    thread = (await as_mara.get(f"{PATH}/{ticket['id']}/messages")).json()
    assert thread["items"][0]["attachments"] == [attachment]


async def test_an_upload_with_a_key_happens_once(as_mara: httpx.AsyncClient, tmp_path: Path) -> None:
    ticket = await opened(as_mara)
    keyed = key()
    first = await upload(as_mara, ticket, b"one", **keyed)
    again = await upload(as_mara, ticket, b"one", **keyed)
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (await upload(as_mara, ticket, b"two", **keyed)).status_code == 422
    assert (await upload(as_mara, ticket, b"one", filename="other.txt", **keyed)).status_code == 422
    assert len(files(tmp_path)) == 1


async def test_more_than_ten_mebibytes_is_413_without_reading_on(
    edge: Edge, as_mara: httpx.AsyncClient, tmp_path: Path
) -> None:
    ticket = await opened(as_mara)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    try:
        answer = await upload(as_mara, ticket, endless())
    except httpx.TransportError:
        pass  # the connection was closed while we were still sending
    else:
        assert answer.status_code == 413
    assert 10 * MIB < sent < 30 * MIB
    announced = await upload(as_mara, ticket, bytes(10 * MIB + 1))
    assert announced.status_code == 413
    assert announced.json()["type"].endswith("/content-too-large")
    await until(lambda: not files(tmp_path))


async def test_an_upload_that_breaks_off_leaves_nothing(edge: Edge, as_mara: httpx.AsyncClient, tmp_path: Path) -> None:
    ticket = await opened(as_mara)
    where = f"{PATH}/{ticket['id']}/messages/{ticket['message_id']}/attachments?filename=a"
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    head = f"POST {where} HTTP/1.1\r\nHost: x\r\nAuthorization: {as_mara.headers['authorization']}\r\n"
    writer.write(f"{head}Content-Length: 1000000\r\n\r\n".encode() + bytes(500_000))
    await writer.drain()
    await until(lambda: files(tmp_path))
    writer.close()
    await until(lambda: not files(tmp_path))
    assert (await as_mara.get(f"{PATH}/{ticket['id']}/messages")).json()["items"][0]["attachments"] == []


async def test_refusals_of_uploads_come_before_the_content_is_read(
    as_mara: httpx.AsyncClient, as_tomas: httpx.AsyncClient
) -> None:
    ticket = await opened(as_mara)
    assert (await upload(as_tomas, ticket, b"x")).status_code == 403
    assert (await upload(as_mara, ticket, b"x", filename="")).status_code == 422
    nowhere = {**ticket, "message_id": ticket["id"]}
    assert (await upload(as_mara, nowhere, in_chunks(bytes(5 * MIB)))).status_code == 404


async def test_canned_replies_are_for_agents(as_mara: httpx.AsyncClient, as_tomas: httpx.AsyncClient) -> None:
    made = await as_tomas.post(CANNED, json={"title": "Thanks", "body": "Thank you!"}, headers=key())
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    item = made.headers["location"]
    assert (await as_mara.get(item)).status_code == 403
    changed = await as_tomas.patch(item, json={"title": "Many thanks"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert [c["title"] for c in (await as_tomas.get(CANNED)).json()["items"]] == ["Many thanks"]
    assert (await as_tomas.delete(item, headers={"If-Match": '"1"'})).status_code == 412
    assert (await as_tomas.delete(item)).status_code == 204
    assert (await as_tomas.get(item)).status_code == 404
