"""neoforge.support.v1.AttachmentService."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import parse_uuid
from chassis.database import Connection, Database
from chassis.errors import Forbidden, InvalidFields, LimitReached, Violation
from chassis.idempotency import Idempotency
from neoforge.support.v1 import attachments_pb2 as pb
from neoforge.support.v1 import attachments_pb2_grpc
from support import convert
from support.errors import AttachmentNotFound, MessageNotFound, TicketClosed, TicketNotFound
from support.model.message import MAX_ATTACHMENTS, MAX_CHUNK_BYTES, Attachment, FileName, Message
from support.model.ticket import Status, Ticket
from support.model.viewer import Viewer
from support.records import Records
from support.storage import Storage
from support.storage.incoming import Incoming, IncomingFile
from support.store import threads, tickets


@dataclass(frozen=True)
class _Wanted:
    ticket_id: UUID
    message_id: UUID
    name: FileName


class AttachmentServicer(attachments_pb2_grpc.AttachmentServiceServicer):
    """Answers the calls of AttachmentService from PostgreSQL and the storage; `now` tells the time."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        records: Records,
        storage: Storage,
        incoming: Incoming,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._records = records
        self._storage = storage
        self._incoming = incoming
        self._now = now

    @allow(SIGNED_IN)
    async def UploadAttachment(
        self, request: AsyncIterator[pb.UploadAttachmentRequest], context: Any
    ) -> AsyncIterator[pb.UploadAttachmentResponse]:
        wanted = _header(await anext(aiter(request), None))
        async with self._database.connection() as connection:
            await self._target(connection, wanted)
        yield pb.UploadAttachmentResponse(ready=pb.UploadReady())
        async with self._incoming.receive() as file:
            await _receive(request, file)
            id_ = uuid7()
            await self._storage.keep(id_, file.path)
            try:
                reply, kept = await self._store(id_, wanted, file)
            except BaseException:
                await asyncio.shield(self._storage.remove(id_))
                raise
            if not kept:
                await self._storage.remove(id_)
        yield reply

    async def _store(self, id_: UUID, wanted: _Wanted, file: IncomingFile) -> tuple[pb.UploadAttachmentResponse, bool]:
        """Store the attachment, and say whether it is this upload's, not that of an earlier one with its key."""
        call = calls.current()
        if call.idempotency_key:
            payload = bytes.fromhex(call.idempotency_fingerprint) + file.sha256
            call.idempotency_fingerprint = hashlib.sha256(payload).hexdigest()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UploadAttachmentResponse)
            if earlier:
                return earlier, False
            await tickets.get_for_change(tx, wanted.ticket_id)
            ticket, message = await self._target(tx, wanted)
            now = self._now()
            attachment = Attachment(
                id=id_,
                ticket_id=ticket.id,
                message_id=message.id,
                internal=message.internal,
                filename=wanted.name.filename,
                content_type=wanted.name.content_type,
                size=file.size,
                sha256=file.sha256,
                created_at=now,
            )
            await threads.insert_attachment(tx, attachment)
            await self._records.attached(tx, attachment, call.person)
            reply = pb.UploadAttachmentResponse(attachment=convert.attachment_proto(attachment))
            return await self._idempotency.record(tx, reply), True

    async def _target(self, connection: Connection, wanted: _Wanted) -> tuple[Ticket, Message]:
        """Give the ticket and the message that a file is to be attached to, if it may be."""
        viewer = Viewer.of(calls.current().caller, calls.current().person)
        ticket = await tickets.get(connection, wanted.ticket_id)
        if ticket is None or not viewer.may_see(ticket):
            raise TicketNotFound
        message = await threads.get_message(connection, ticket.id, wanted.message_id)
        if message is None or (message.internal and not viewer.is_agent):
            raise MessageNotFound
        if message.author_id != viewer.person:
            raise Forbidden("a file is attached by the author of the message")
        if ticket.status is Status.CLOSED:
            raise TicketClosed
        if len((await threads.attachments_of(connection, [message]))[message.id]) >= MAX_ATTACHMENTS:
            raise LimitReached(f"a message has at most {MAX_ATTACHMENTS} attachments")
        return ticket, message

    @allow(SIGNED_IN)
    async def DownloadAttachment(
        self, request: pb.DownloadAttachmentRequest, context: Any
    ) -> AsyncIterator[pb.DownloadAttachmentResponse]:
        ticket_id, id_ = parse_uuid(request.ticket_id, "ticket_id"), parse_uuid(request.attachment_id, "attachment_id")
        viewer = Viewer.of(calls.current().caller, calls.current().person)
        async with self._database.connection() as connection:
            ticket = await tickets.get(connection, ticket_id)
            if ticket is None or not viewer.may_see(ticket):
                raise TicketNotFound
            attachment = await threads.get_attachment(connection, ticket_id, id_)
        if attachment is None or (attachment.internal and not viewer.is_agent):
            raise AttachmentNotFound
        yield pb.DownloadAttachmentResponse(attachment=convert.attachment_proto(attachment))
        if request.unless_sha256 != attachment.sha256.hex():
            async with aclosing(self._storage.read(attachment.id)) as chunks:
                async for chunk in chunks:
                    yield pb.DownloadAttachmentResponse(chunk=chunk)


def _header(first: pb.UploadAttachmentRequest | None) -> _Wanted:
    if first is None or first.WhichOneof("part") != "header":
        raise InvalidFields.of([Violation("header", "must come first")])
    header = first.header
    return _Wanted(
        ticket_id=parse_uuid(header.ticket_id, "ticket_id"),
        message_id=parse_uuid(header.message_id, "message_id"),
        name=FileName.of(header.filename, header.content_type),
    )


async def _receive(parts: AsyncIterator[pb.UploadAttachmentRequest], file: IncomingFile) -> None:
    """Take a content in, and hold what came against what was sent."""
    end = None
    async for part in parts:
        kind = part.WhichOneof("part")
        if end is not None or kind not in {"chunk", "end"}:
            raise InvalidFields.of([Violation("part", "must be chunks, and then the end")])
        if kind == "end":
            end = part.end
        elif not 1 <= len(part.chunk) <= MAX_CHUNK_BYTES:
            raise InvalidFields.of([Violation("chunk", f"must have 1 to {MAX_CHUNK_BYTES:,} bytes")])
        else:
            await file.write(part.chunk)
    if end is None:
        raise InvalidFields.of([Violation("end", "must come last: the stream broke off")])
    if end.size != file.size:
        raise InvalidFields.of([Violation("end.size", f"is not what came: {file.size:,} bytes")])
    if end.sha256.lower() != file.sha256.hex():
        raise InvalidFields.of([Violation("end.sha256", "is not the hash of what came")])
    await file.complete()
