"""neoforge.community.v1.ModerationService: each RPC parses, decides, stores and replies."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from chassis import call as calls
from chassis.access import SIGNED_IN, allow, with_role
from chassis.convert import page_proto, parse_uuid
from chassis.database import Connection
from chassis.errors import Internal, InvalidFields, Violation
from chassis.house import House
from community import convert
from community.errors import AlreadyReported
from community.model.content import MODERATORS, Status, Subject, SubjectKind, Viewer
from community.model.moderation import ActionKind, Case, CaseState, Decision, Report, check_reason
from community.servicer.access import log, post_for_change, published, reply_for_change
from community.settings import Settings
from community.store import moderation, posts, replies
from neoforge.community.v1 import moderation_pb2 as pb
from neoforge.community.v1 import moderation_pb2_grpc

_ACTIONS: Final = {
    Decision.HIDE: ActionKind.HIDE,
    Decision.RESTORE: ActionKind.RESTORE,
    Decision.DISMISS: ActionKind.DISMISS,
}


class ModerationServicer(moderation_pb2_grpc.ModerationServiceServicer):
    """Answers the calls of ModerationService from PostgreSQL."""

    def __init__(self, house: House[Settings]) -> None:
        self._database = house.database
        self._idempotency = house.idempotency
        self._cursors = house.cursors

    @allow(SIGNED_IN)
    async def ReportContent(self, request: pb.ReportContentRequest, context: Any) -> pb.ReportContentResponse:
        report = Report(
            subject=convert.subject(request.subject),
            person_id=calls.current().person,
            reason=convert.report_reason(request.reason),
            note=request.note,
            created_at=datetime.now(UTC),
        )
        report.check()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.ReportContentResponse)
            if earlier:
                return earlier
            post_id, author_id = await published(tx, report.subject)
            if author_id == report.person_id:
                raise InvalidFields.of([Violation("subject", "is your own")])
            if not await moderation.report(tx, report, post_id, author_id):
                raise AlreadyReported
            return await self._idempotency.record(tx, pb.ReportContentResponse())

    @allow(with_role(*MODERATORS))
    async def ListCases(self, request: pb.ListCasesRequest, context: Any) -> pb.ListCasesResponse:
        state = convert.case_state(request.state)
        scope = f"cases {calls.current().person} {state}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await moderation.page(connection, state, page_request, self._cursors, scope)
        return pb.ListCasesResponse(cases=map(convert.case_proto, page.rows), page=page_proto(page))

    @allow(with_role(*MODERATORS))
    async def DecideCase(self, request: pb.DecideCaseRequest, context: Any) -> pb.DecideCaseResponse:
        subject, decision = convert.subject(request.subject), convert.decision(request.decision)
        viewer, now = convert.viewer(), datetime.now(UTC)
        check_reason(request.reason)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DecideCaseResponse)
            if earlier:
                return earlier
            if subject.kind is SubjectKind.POST:
                post_id, author_id, status = await self._decide_post(tx, subject, decision, request.reason, viewer, now)
            else:
                post_id, author_id, status = await self._decide_reply(
                    tx, subject, decision, request.reason, viewer, now
                )
            before = await moderation.get(tx, subject)
            state = CaseState.HIDDEN if status is Status.HIDDEN else CaseState.DISMISSED
            await moderation.decide(tx, subject, post_id, author_id, state, request.reason, now)
            if before is None or (before.state, before.decision_reason) != (state, request.reason):
                await log(tx, _ACTIONS[decision], subject, post_id, calls.current().person, now, request.reason)
            reply = pb.DecideCaseResponse(case=convert.case_proto(await self._case(tx, subject)))
            return await self._idempotency.record(tx, reply)

    @allow(with_role(*MODERATORS))
    async def ListActions(self, request: pb.ListActionsRequest, context: Any) -> pb.ListActionsResponse:
        post_id = parse_uuid(request.post_id, "post_id") if request.post_id else None
        scope = f"actions {calls.current().person} {post_id}"
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await moderation.log_page(connection, post_id, page_request, self._cursors, scope)
        return pb.ListActionsResponse(actions=map(convert.action_proto, page.rows), page=page_proto(page))

    async def _decide_post(
        self, tx: Connection, subject: Subject, decision: Decision, reason: str, viewer: Viewer, now: datetime
    ) -> tuple[UUID, UUID, Status]:
        post = await post_for_change(tx, subject.id, viewer)
        changed = post.with_state(now, **_state(post.status, post.hidden_reason, decision, reason))
        if changed is not post:
            await posts.update(tx, changed)
        return post.id, post.author_id, changed.status

    async def _decide_reply(
        self, tx: Connection, subject: Subject, decision: Decision, reason: str, viewer: Viewer, now: datetime
    ) -> tuple[UUID, UUID, Status]:
        post, reply = await reply_for_change(tx, subject.id, viewer)
        changed = reply.with_state(now, **_state(reply.status, reply.hidden_reason, decision, reason))
        if changed is not reply:
            await replies.update(tx, changed, reply)
            if post.accepted_reply_id == reply.id and changed.status is Status.HIDDEN:
                await posts.update(tx, post.with_state(now, accepted_reply_id=None))
        return post.id, reply.author_id, changed.status

    async def _case(self, tx: Connection, subject: Subject) -> Case:
        case = await moderation.get(tx, subject)
        if case is None:
            raise Internal("the case that was just stored is not there")
        return case


def _state(status: Status, reason_so_far: str, decision: Decision, reason: str) -> dict[str, Any]:
    """Give what a decision makes of a post or reply; what is hidden is not dismissed, but restored."""
    if decision is Decision.HIDE:
        return {"status": Status.HIDDEN, "hidden_reason": reason}
    if decision is Decision.RESTORE:
        return {"status": Status.PUBLISHED, "hidden_reason": ""}
    return {"status": status, "hidden_reason": reason_so_far}
