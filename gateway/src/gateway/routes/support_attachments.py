"""Files of messages: streamed through, held in memory nowhere as a whole."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import Path, Query
from pydantic_core import to_json

from gateway.body import read_parts
from gateway.call import Call
from gateway.declaration import Declaration, Key, Kind
from gateway.idempotency import fingerprint
from gateway.moments import rfc3339
from gateway.operations import Operations
from gateway.representation import Answer, Download
from gateway.routes import support_models as models
from gateway.routes.support_stubs import stubs
from neoforge.support.v1 import attachments_pb2 as files_pb

attachments: Final = Operations("attachments")

_TICKETS: Final = "/api/v1/support/tickets"
_UPLOAD: Final = _TICKETS + "/{ticket_id:id}/messages/{message_id:id}/attachments"
_FILE: Final = _TICKETS + "/{ticket_id:id}/attachments/{attachment_id:id}"

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
_PART_BYTES: Final = 64 * 1024

_UUID: Final = {"format": "uuid"}
TicketId = Annotated[str, Path(description="The ticket's id.", json_schema_extra=_UUID)]
MessageId = Annotated[str, Path(description="The message's id.", json_schema_extra=_UUID)]
AttachmentId = Annotated[str, Path(description="The attachment's id.", json_schema_extra=_UUID)]


@attachments.serve(
    _UPLOAD,
    Declaration(
        Kind.CREATE,
        "POST",
        models.Attachment,
        success=HTTPStatus.CREATED,
        key=Key.OPTIONAL,
        takes_file=True,
        conflicts=("TICKET_CLOSED", "LIMIT_REACHED"),
    ),
)
async def upload_attachment(
    call: Call, ticket_id: TicketId, message_id: MessageId, query: Annotated[models.UploadQuery, Query()]
) -> Answer:
    """Attach a file, the body as it is, to a message of one's own; up to 10 MiB."""
    content_type = call.headers.get("content-type", "")
    if call.keyed is not None:
        # The service adds the content, of which only it has seen all when the key is looked up.
        route = {"ticket_id": ticket_id, "message_id": message_id}
        asked = [query.filename, content_type]
        call.keyed = call.keyed[0], fingerprint("POST", _UPLOAD, route, asked)

    header = files_pb.UploadHeader(
        ticket_id=ticket_id, message_id=message_id, filename=query.filename, content_type=content_type
    )

    async def parts() -> AsyncIterator[files_pb.UploadAttachmentRequest]:
        size, content_hash = 0, hashlib.sha256()
        async for part in read_parts(call.scope, call.receive, MAX_FILE_BYTES, _PART_BYTES):
            size += len(part)
            content_hash.update(part)
            yield files_pb.UploadAttachmentRequest(chunk=part)
        end = files_pb.UploadEnd(size=size, sha256=content_hash.hexdigest())
        yield files_pb.UploadAttachmentRequest(end=end)

    reply = await call.give(
        stubs(call).attachments.UploadAttachment, files_pb.UploadAttachmentRequest(header=header), parts()
    )
    attachment = reply.message.attachment
    return Answer(
        to_json(attachment_json(attachment)),
        tag=attachment.sha256,
        status=HTTPStatus.CREATED,
        location=f"{_TICKETS}/{ticket_id}/attachments/{attachment.id}",
        replayed=reply.replayed,
    )


@attachments.serve(_FILE, Declaration(Kind.READ, "GET", None, gives_file=True))
async def download_attachment(call: Call, ticket_id: TicketId, attachment_id: AttachmentId) -> Answer:
    """Read a file."""
    known = call.preconditions.if_none_match
    request = files_pb.DownloadAttachmentRequest(
        ticket_id=ticket_id,
        attachment_id=attachment_id,
        unless_sha256=known.tags[0].opaque if known and len(known.tags) == 1 else "",
    )
    replies = call.take(stubs(call).attachments.DownloadAttachment, request)
    attachment = (await anext(replies)).attachment

    async def parts() -> AsyncGenerator[bytes, None]:
        try:
            async for reply in replies:
                yield reply.chunk
        finally:
            await replies.aclose()

    download = Download(parts(), attachment.size, attachment.content_type, attachment.filename)
    return Answer(tag=attachment.sha256, download=download)


def attachment_json(attachment: files_pb.Attachment) -> dict[str, Any]:
    """Give an attachment as JSON values."""
    return {
        "id": attachment.id,
        "message_id": attachment.message_id,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "created_at": rfc3339(attachment.created_at),
    }
