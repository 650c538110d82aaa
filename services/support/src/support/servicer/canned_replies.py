"""neoforge.support.v1.CannedReplyService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from chassis import call as calls
from chassis.access import allow, with_role
from chassis.convert import page_proto, parse_uuid
from chassis.database import Database
from chassis.errors import VersionMismatch
from chassis.idempotency import Idempotency
from chassis.paging import Cursors
from neoforge.support.v1 import canned_replies_pb2 as pb
from neoforge.support.v1 import canned_replies_pb2_grpc
from support import convert
from support.errors import CannedReplyNotFound
from support.model.canned_reply import CannedReply
from support.model.viewer import AGENT_ROLES
from support.store import canned_replies

AGENTS = with_role(*AGENT_ROLES)
_SCOPE = "canned replies"


class CannedReplyServicer(canned_replies_pb2_grpc.CannedReplyServiceServicer):
    """Answers the calls of CannedReplyService from PostgreSQL; `now` tells the time."""

    def __init__(
        self, database: Database, idempotency: Idempotency, cursors: Cursors, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._cursors = cursors
        self._now = now

    @allow(AGENTS)
    async def CreateCannedReply(
        self, request: pb.CreateCannedReplyRequest, context: Any
    ) -> pb.CreateCannedReplyResponse:
        canned = CannedReply.new(
            id=uuid7(), author_id=calls.current().person, title=request.title, body=request.body, now=self._now()
        )
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateCannedReplyResponse)
            if earlier:
                return earlier
            await canned_replies.insert(tx, canned)
            reply = pb.CreateCannedReplyResponse(canned_reply=convert.canned_reply_proto(canned))
            return await self._idempotency.record(tx, reply)

    @allow(AGENTS)
    async def GetCannedReply(self, request: pb.GetCannedReplyRequest, context: Any) -> pb.GetCannedReplyResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.connection() as connection:
            canned = await canned_replies.get(connection, id_)
        if canned is None:
            raise CannedReplyNotFound
        if request.unless_version == canned.version:
            return pb.GetCannedReplyResponse(unchanged_version=canned.version)
        return pb.GetCannedReplyResponse(canned_reply=convert.canned_reply_proto(canned))

    @allow(AGENTS)
    async def ListCannedReplies(
        self, request: pb.ListCannedRepliesRequest, context: Any
    ) -> pb.ListCannedRepliesResponse:
        scope = f"{_SCOPE} {calls.current().person}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await canned_replies.page(connection, page_request, self._cursors, scope)
        found = map(convert.canned_reply_proto, page.rows)
        return pb.ListCannedRepliesResponse(canned_replies=found, page=page_proto(page))

    @allow(AGENTS)
    async def UpdateCannedReply(
        self, request: pb.UpdateCannedReplyRequest, context: Any
    ) -> pb.UpdateCannedReplyResponse:
        id_ = parse_uuid(request.canned_reply.id, "canned_reply.id")
        changes = convert.canned_changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateCannedReplyResponse)
            if earlier:
                return earlier
            canned = await canned_replies.get_for_change(tx, id_)
            if canned is None:
                raise CannedReplyNotFound
            VersionMismatch.check("canned reply", request.expected_version, canned.version)
            changed = canned.changed(changes, self._now())
            if changed is not canned:
                await canned_replies.update(tx, changed)
            reply = pb.UpdateCannedReplyResponse(canned_reply=convert.canned_reply_proto(changed))
            return await self._idempotency.record(tx, reply)

    @allow(AGENTS)
    async def DeleteCannedReply(
        self, request: pb.DeleteCannedReplyRequest, context: Any
    ) -> pb.DeleteCannedReplyResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteCannedReplyResponse)
            if earlier:
                return earlier
            canned = await canned_replies.get_for_change(tx, id_)
            if canned is None:
                raise CannedReplyNotFound
            VersionMismatch.check("canned reply", request.expected_version, canned.version)
            await canned_replies.delete(tx, id_)
            return await self._idempotency.record(tx, pb.DeleteCannedReplyResponse())
