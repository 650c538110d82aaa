"""What tests of the support service do at its help desk."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from chassis.errors import RemoteError
from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import attachments_pb2 as files_pb
from neoforge.support.v1 import attachments_pb2_grpc
from neoforge.support.v1 import tickets_pb2 as pb


class Clock:
    """The service's time: the real one, and what a test lets pass."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Tell it."""
        return datetime.now(UTC) + self.ahead

    def passes(self, **time: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(**time)


@dataclass(frozen=True)
class Desk:
    """Does what people do at a help desk."""

    call: Client

    async def open(self, caller: Caller, subject: str = "It is broken", **fields: Any) -> pb.Ticket:
        """Open a ticket."""
        request = pb.CreateTicketRequest(subject=subject, **{"body": "Please help", **fields})
        made: pb.Ticket = (await self.call(caller, "CreateTicket", request)).ticket
        return made

    async def get(self, caller: Caller, ticket: pb.Ticket) -> pb.Ticket:
        """Read it."""
        read: pb.Ticket = (await self.call(caller, "GetTicket", pb.GetTicketRequest(id=ticket.id))).ticket
        return read

    async def change(self, caller: Caller, ticket: pb.Ticket, version: int = 0, **fields: Any) -> pb.Ticket:
        """Change the given fields."""
        request = pb.UpdateTicketRequest(ticket=pb.Ticket(id=ticket.id, **fields), expected_version=version)
        request.update_mask.paths.extend(fields)
        changed: pb.Ticket = (await self.call(caller, "UpdateTicket", request)).ticket
        return changed

    async def reply(self, caller: Caller, ticket: pb.Ticket, body: str = "And?") -> pb.CreateMessageResponse:
        """Add a public message."""
        request = pb.CreateMessageRequest(ticket_id=ticket.id, body=body)
        added: pb.CreateMessageResponse = await self.call(caller, "CreateMessage", request)
        return added

    async def note(self, caller: Caller, ticket: pb.Ticket, body: str = "Careful") -> pb.Message:
        """Add an internal note."""
        request = pb.CreateMessageRequest(ticket_id=ticket.id, body=body, internal=True)
        added: pb.Message = (await self.call(caller, "CreateMessage", request)).message
        return added

    async def tickets(self, caller: Caller, **fields: Any) -> pb.ListTicketsResponse:
        """List tickets."""
        page: pb.ListTicketsResponse = await self.call(caller, "ListTickets", pb.ListTicketsRequest(**fields))
        return page

    async def subjects(self, caller: Caller, **fields: Any) -> list[str]:
        """List the subjects of tickets."""
        return [ticket.subject for ticket in (await self.tickets(caller, **fields)).tickets]

    async def thread(self, caller: Caller, ticket: pb.Ticket, **fields: Any) -> pb.ListMessagesResponse:
        """List the messages."""
        request = pb.ListMessagesRequest(ticket_id=ticket.id, **fields)
        page: pb.ListMessagesResponse = await self.call(caller, "ListMessages", request)
        return page

    async def history(self, caller: Caller, ticket: pb.Ticket) -> pb.ListHistoryResponse:
        """List the newest hundred entries."""
        request = pb.ListHistoryRequest(ticket_id=ticket.id, page_size=100)
        page: pb.ListHistoryResponse = await self.call(caller, "ListHistory", request)
        return page


@dataclass(frozen=True)
class Files:
    """Sends and fetches files of messages."""

    call: Client

    async def send(
        self,
        caller: Caller,
        ticket_id: str,
        message_id: str,
        content: bytes = b"content",
        filename: str = "notes.txt",
        content_type: str = "text/plain",
        chunk: int = 65_536,
        **options: Any,
    ) -> files_pb.Attachment:
        """Attach a file."""
        header = files_pb.UploadHeader(
            ticket_id=ticket_id, message_id=message_id, filename=filename, content_type=content_type
        )
        end = files_pb.UploadEnd(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        parts = [
            files_pb.UploadAttachmentRequest(header=header),
            *(files_pb.UploadAttachmentRequest(chunk=content[at : at + chunk]) for at in range(0, len(content), chunk)),
            files_pb.UploadAttachmentRequest(end=end),
        ]
        return await self.send_parts(caller, parts, **options)

    async def send_parts(
        self, caller: Caller, parts: Sequence[files_pb.UploadAttachmentRequest], key: str = ""
    ) -> files_pb.Attachment:
        """Attach a file by these parts."""
        stub: Any = attachments_pb2_grpc.AttachmentServiceStub(self.call.channel)
        keyed = [("idempotency-key", key), ("idempotency-fingerprint", "ab" * 32)] if key else []

        async def sent() -> AsyncIterator[files_pb.UploadAttachmentRequest]:
            for part in parts:
                yield part

        try:
            call = stub.UploadAttachment(sent(), metadata=[*caller.to_metadata(), *keyed], timeout=20)
            _, reply = [reply async for reply in call]
        except grpc.aio.AioRpcError as failure:
            raise RemoteError.from_rpc(failure) from None
        kept: files_pb.Attachment = reply.attachment
        return kept

    async def fetch(
        self, caller: Caller, ticket_id: str, attachment_id: str, known: str = ""
    ) -> tuple[files_pb.Attachment, bytes]:
        """Read a file: what it is, and its content."""
        stub: Any = attachments_pb2_grpc.AttachmentServiceStub(self.call.channel)
        request = files_pb.DownloadAttachmentRequest(
            ticket_id=ticket_id, attachment_id=attachment_id, unless_sha256=known
        )
        try:
            parts = [part async for part in stub.DownloadAttachment(request, metadata=caller.to_metadata(), timeout=20)]
        except grpc.aio.AioRpcError as failure:
            raise RemoteError.from_rpc(failure) from None
        return parts[0].attachment, b"".join(part.chunk for part in parts[1:])
