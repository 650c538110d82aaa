import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from moto.server import ThreadedMotoServer

from chassis.errors import RemoteError, Unavailable
from chassis.identity import Caller
from chassis.testing.conventions import deviations
from chassis.testing.spans import Spans
from neoforge.support.v1 import attachments_pb2 as files_pb
from neoforge.support.v1 import tickets_pb2 as pb
from support.jobs import remove_orphans
from support.model.message import MAX_ATTACHMENT_BYTES, FileName
from support.settings import Settings
from support.storage import Storage, storage_of
from support.storage.incoming import Incoming
from support.testing.desk import Desk, Files

Refused = Callable[[Awaitable[Any]], Awaitable[str]]


def kept(settings: Settings) -> list[Path]:
    return [path for path in settings.folder.rglob("*") if path.is_file()]


async def test_a_file_of_ten_mebibytes_comes_back_byte_for_byte(
    desk: Desk, files: Files, mara: Caller, tomas: Caller, settings: Settings
) -> None:
    ticket = await desk.open(mara)
    content = os.urandom(MAX_ATTACHMENT_BYTES)
    message = (await desk.reply(mara, ticket)).message
    attachment = await files.send(mara, ticket.id, message.id, content, "log.bin", "application/x-log; charset=x")
    assert (attachment.size, attachment.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (attachment.filename, attachment.content_type) == ("log.bin", "application/x-log")
    for reader in (mara, tomas):
        assert await files.fetch(reader, ticket.id, attachment.id) == (attachment, content)
    assert [list(m.attachments) for m in (await desk.thread(mara, ticket)).messages] == [[], [attachment]]
    assert [path.name for path in kept(settings)] == [UUID(attachment.id).hex]
    known = await files.fetch(mara, ticket.id, attachment.id, known=attachment.sha256)
    assert known == (attachment, b"")


async def test_one_byte_too_much_is_refused_and_nothing_is_kept(
    desk: Desk, files: Files, refused: Refused, mara: Caller, settings: Settings
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.reply(mara, ticket)).message
    sent = files.send(mara, ticket.id, message.id, bytes(MAX_ATTACHMENT_BYTES + 1))
    assert await refused(sent) == "CONTENT_TOO_LARGE"
    assert kept(settings) == []


async def test_what_is_not_what_was_sent_is_refused_and_nothing_is_kept(
    desk: Desk, files: Files, mara: Caller, settings: Settings
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.reply(mara, ticket)).message
    part = files_pb.UploadAttachmentRequest
    header = part(header=files_pb.UploadHeader(ticket_id=ticket.id, message_id=message.id, filename="a"))
    chunk = part(chunk=b"abc")
    good = hashlib.sha256(b"abc").hexdigest()
    end = part(end=files_pb.UploadEnd(size=3, sha256=good))
    for parts, field in (
        ([], "header"),
        ([chunk, end], "header"),
        ([header, chunk], "end"),
        ([header, chunk, header, end], "part"),
        ([header, chunk, end, chunk], "part"),
        ([header, part(chunk=bytes(65_537)), end], "chunk"),
        ([header, part(chunk=b""), end], "chunk"),
        ([header, chunk, part(end=files_pb.UploadEnd(size=4, sha256=good))], "end.size"),
        ([header, chunk, part(end=files_pb.UploadEnd(size=3, sha256="00" * 32))], "end.sha256"),
        (
            [part(header=files_pb.UploadHeader(ticket_id=ticket.id, message_id=message.id, filename="../")), end],
            "filename",
        ),
    ):
        with pytest.raises(RemoteError) as refused:
            await files.send_parts(mara, parts)
        told = refused.value.reason, [violation.field for violation in refused.value.violations]
        assert told == ("INVALID_FIELDS", [field]), refused.value.message
    assert kept(settings) == []
    assert (await desk.thread(mara, ticket)).messages[1].attachments == []


async def test_a_repeated_upload_with_its_key_is_one_attachment_and_another_content_is_another_payload(
    desk: Desk, files: Files, refused: Refused, mara: Caller, settings: Settings
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.reply(mara, ticket)).message
    first = await files.send(mara, ticket.id, message.id, b"one", key="k1")
    assert await files.send(mara, ticket.id, message.id, b"one", key="k1") == first
    both = await asyncio.gather(*(files.send(mara, ticket.id, message.id, b"two", key="k2") for _ in range(2)))
    assert both[0] == both[1]
    assert await refused(files.send(mara, ticket.id, message.id, b"other", key="k1")) == "IDEMPOTENCY_KEY_REUSED"
    assert len((await desk.thread(mara, ticket)).messages[1].attachments) == 2
    assert len(kept(settings)) == 2


async def test_only_the_author_attaches_and_only_to_a_ticket_that_is_not_closed(
    desk: Desk, files: Files, refused: Refused, mara: Caller, tomas: Caller, oskar: Caller
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.thread(mara, ticket)).messages[0]
    assert await refused(files.send(oskar, ticket.id, message.id)) == "NOT_FOUND"
    assert await refused(files.send(tomas, ticket.id, message.id)) == "FORBIDDEN"
    assert await refused(files.send(mara, ticket.id, ticket.id)) == "NOT_FOUND"
    other = await desk.open(mara)
    assert await refused(files.send(mara, other.id, message.id)) == "NOT_FOUND"
    await desk.change(tomas, ticket, status=pb.STATUS_SOLVED)
    attachment = await files.send(mara, ticket.id, message.id)
    await desk.change(tomas, ticket, status=pb.STATUS_CLOSED)
    assert await refused(files.send(mara, ticket.id, message.id)) == "TICKET_CLOSED"
    assert (await files.fetch(mara, ticket.id, attachment.id))[1] == b"content"


async def test_a_message_has_twenty_attachments_at_most(
    desk: Desk, files: Files, refused: Refused, mara: Caller
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.reply(mara, ticket)).message
    for _ in range(20):
        await files.send(mara, ticket.id, message.id)
    assert await refused(files.send(mara, ticket.id, message.id)) == "LIMIT_REACHED"


async def test_the_attachment_of_a_note_does_not_exist_for_the_customer(
    desk: Desk, files: Files, refused: Refused, mara: Caller, tomas: Caller
) -> None:
    ticket = await desk.open(mara)
    note = await desk.note(tomas, ticket)
    attachment = await files.send(tomas, ticket.id, note.id, filename="secret.txt")
    assert (await files.fetch(tomas, ticket.id, attachment.id))[1] == b"content"
    assert await refused(files.fetch(mara, ticket.id, attachment.id)) == "NOT_FOUND"
    assert await refused(files.send(mara, ticket.id, note.id)) == "NOT_FOUND"
    assert b"secret" not in (await desk.history(mara, ticket)).SerializeToString()


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\report.pdf", "report.pdf"),
        ('a"b\r\nSet-Cookie: x', "a_bSet-Cookie_ x"),
        ("\u202egnp.exe", "gnp.exe"),
        ("  .hidden. ", "hidden"),
        ("Rechnung März 😀.pdf", "Rechnung März 😀.pdf"),
        ("x" * 300 + ".txt", "x" * 251 + ".txt"),
    ],
)
def test_a_file_name_is_one_name_without_path_and_control_characters(given: str, safe: str) -> None:
    assert FileName.of(given, "text/html;charset=utf-8") == FileName(safe, "text/html")


@pytest.mark.parametrize("given", ["", "text", "text/html\r\nX: y", "a/b/c", "té/xt"])
def test_what_is_no_media_type_becomes_octets(given: str) -> None:
    assert FileName.of("a", given).content_type == "application/octet-stream"


@pytest.fixture(scope="session")
def s3() -> Any:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture
def in_bucket(settings: Settings, s3: tuple[str, int]) -> Settings:
    import boto3  # noqa: PLC0415 - it makes the bucket, and takes half a second to import

    address = f"http://{s3[0]}:{s3[1]}"
    login = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **login).create_bucket(Bucket="files")
    changes = {"s3_bucket": "files", "s3_endpoint": address, "s3_access_key": "key", "s3_secret_key": "secret"}
    return type(settings)(**settings.model_dump() | changes)


@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_a_storage_keeps_gives_lists_and_drops(
    kind: str, request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> None:
    storage: Storage = storage_of(settings if kind == "folder" else request.getfixturevalue("in_bucket"))
    content = os.urandom(6 * 1024 * 1024)
    id_ = UUID(int=5)
    async with Incoming(settings.folder, 10**9).receive() as file:
        await file.write(content)
        await file.complete()
        await storage.keep(id_, file.path)
    chunks = [chunk async for chunk in storage.read(id_)]
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= 65_536
    now = datetime.now(UTC)
    assert [ids async for ids in storage.older_than(now + timedelta(seconds=5)) if ids] == [[id_]]
    assert [ids async for ids in storage.older_than(now - timedelta(seconds=5)) if ids] == []
    await storage.remove(id_)
    await storage.remove(id_)
    with pytest.raises(Unavailable):
        await anext(aiter(storage.read(id_)))


async def test_what_is_asked_of_a_bucket_is_in_the_trace(in_bucket: Settings, spans: Spans, tmp_path: Path) -> None:
    storage, id_, file = storage_of(in_bucket), UUID(int=9), tmp_path / "content"
    file.write_bytes(b"content")
    with spans.cause():
        await storage.keep(id_, file)
        assert [chunk async for chunk in storage.read(id_)] == [b"content"]
        await storage.remove(id_)
        with pytest.raises(Unavailable):
            await anext(aiter(storage.read(id_)))
    *well, lost = spans.made()
    assert [span.name for span in well] == ["S3/PutObject", "S3/GetObject", "S3/DeleteObject"]
    assert {span.attributes["aws.s3.key"] for span in well} == {f"attachments/{id_.hex}"}
    assert (lost.name, lost.failed) == ("S3/GetObject", True)
    assert {fault for span in (*well, lost) for fault in deviations(span)} == set()


@pytest.mark.parametrize("kind", ["folder", "s3"])
async def test_contents_without_a_row_are_removed_after_a_day_and_those_with_one_stay(
    kind: str, request: pytest.FixtureRequest, settings: Settings, desk: Desk, files: Files, mara: Caller, house: Any
) -> None:
    ticket = await desk.open(mara)
    message = (await desk.thread(mara, ticket)).messages[0]
    attachment = await files.send(mara, ticket.id, message.id)
    told = settings if kind == "folder" else request.getfixturevalue("in_bucket")
    storage, incoming = storage_of(told), Incoming(settings.folder, 10)
    orphan = UUID(int=6)
    for id_ in (orphan, UUID(attachment.id)):
        async with incoming.receive() as file:
            await storage.keep(id_, file.path)
    left = settings.folder / "incoming" / "left.part"
    left.write_bytes(b"half")
    work = SimpleNamespace(house=replace(house, settings=told))
    await remove_orphans(work, now=lambda: datetime.now(UTC) + timedelta(hours=23))
    assert [id_ async for id_ in _all(storage)] == [orphan, UUID(attachment.id)]
    assert left.exists()
    await remove_orphans(work, now=lambda: datetime.now(UTC) + timedelta(hours=25))
    assert [id_ async for id_ in _all(storage)] == [UUID(attachment.id)]
    assert not left.exists()


async def _all(storage: Storage) -> AsyncIterator[UUID]:
    async for ids in storage.older_than(datetime.now(UTC) + timedelta(seconds=5)):
        for id_ in ids:
            yield id_
