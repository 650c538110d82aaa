"""neoforge.auth.v1.AuditService: each RPC parses, decides and replies."""

from typing import Any

from auth.audit import store
from auth.audit.chain import Entry
from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import page_proto, timestamp
from chassis.database import Database
from chassis.errors import Forbidden
from chassis.paging import Cursors
from neoforge.auth.v1 import audit_pb2 as pb
from neoforge.auth.v1 import audit_pb2_grpc


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Answers the calls of AuditService from PostgreSQL."""

    def __init__(self, database: Database, cursors: Cursors) -> None:
        self._database = database
        self._cursors = cursors

    @allow(SIGNED_IN)
    async def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, context: Any) -> pb.ListAuditEntriesResponse:
        person = calls.current().person
        if request.everybody and "admin" not in calls.current().caller.roles:
            raise Forbidden("this needs the role admin")
        whose = None if request.everybody else person
        scope = f"audit {person} {whose}"
        asked = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await store.page(connection, whose, asked, self._cursors, scope)
        return pb.ListAuditEntriesResponse(entries=map(entry_proto, page.rows), page=page_proto(page))


def entry_proto(entry: Entry) -> pb.AuditEntry:
    """Give an entry as its message."""
    return pb.AuditEntry(
        id=str(entry.id),
        created_at=timestamp(entry.created_at),
        kind=entry.kind,
        account_id=str(entry.account_id or ""),
        actor_id=str(entry.actor_id or ""),
        session_id=str(entry.session_id or ""),
        address=entry.address,
        request_id=entry.request_id,
        trace_id=entry.trace_id,
        details=entry.details,
    )
