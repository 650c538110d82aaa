"""Reports, cases and the moderation log."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from community.model.content import Subject, SubjectKind
from community.model.moderation import Action, ActionKind, Case, CaseState, Report, ReportReason
from community.store.rows import given
from community.tables import cases, moderation_log, posts, replies, reports

OLDEST_FIRST: Final = Order("opened_at", ("opened_at", "subject_id"), descending=False)
NEWEST_FIRST: Final = Order("-created_at", ("created_at", "id"), descending=True)
MAX_NOTES: Final = 5

_subject_id: Final = sa.bindparam("subject_id", type_=sa.Uuid)
_ids: Final = sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))

_REPORT = statement(
    sa.dialects.postgresql.insert(reports).values(given(reports.c)).on_conflict_do_nothing(), "INSERT reports"
)
_put = sa.dialects.postgresql.insert(cases).values(given(cases.c))
# A case that is open already keeps its place in the queue.
_OPEN = statement(
    _put.on_conflict_do_update(
        index_elements=["subject_id"],
        set_={"state": CaseState.OPEN.value, "opened_at": _put.excluded.opened_at},
        where=cases.c.state == CaseState.DISMISSED.value,
    ),
    "INSERT cases",
)
_DECIDE = statement(
    _put.on_conflict_do_update(
        index_elements=["subject_id"],
        set_={"state": _put.excluded.state, "decision_reason": _put.excluded.decision_reason},
    ),
    "INSERT cases",
)
_CLOSE = statement(
    sa.update(cases).where(cases.c.subject_id == _subject_id).values(state=CaseState.DELETED.value), "UPDATE cases"
)
_excerpt = (
    sa.func.coalesce(
        sa.select(posts.c.excerpt).where(posts.c.id == cases.c.subject_id).scalar_subquery(),
        sa.select(replies.c.excerpt).where(replies.c.id == cases.c.subject_id).scalar_subquery(),
    )
).label("excerpt")
_GET = statement(sa.select(*cases.c, _excerpt).where(cases.c.subject_id == _subject_id), "SELECT cases")
_REASONS = statement(
    sa.select(reports.c.subject_id, reports.c.reason, sa.func.count().label("total"))
    .where(reports.c.subject_id == sa.any_(_ids))
    .group_by(reports.c.subject_id, reports.c.reason),
    "SELECT reports",
)
_asked = sa.func.unnest(_ids).table_valued("id").render_derived("asked")
_latest = (
    sa.select(reports.c.note, reports.c.created_at)
    .where(reports.c.subject_id == _asked.c.id, reports.c.note != "")
    .order_by(reports.c.created_at.desc())
    .limit(MAX_NOTES)
    .lateral("latest")
)
_NOTES = statement(
    sa.select(_asked.c.id, _latest.c.note)
    .select_from(_asked.join(_latest, sa.true()))
    .order_by(_latest.c.created_at.desc()),
    "SELECT reports",
)
_LOG = statement(sa.insert(moderation_log).values(given(moderation_log.c)), "INSERT moderation_log")


async def report(tx: Connection, given_: Report, post_id: UUID, author_id: UUID) -> bool:
    """Store a report and open its case, unless the person has reported this before; say whether they had not."""
    row = {
        "subject_id": given_.subject.id,
        "person_id": given_.person_id,
        "reason": given_.reason.value,
        "note": given_.note,
        "created_at": given_.created_at,
    }
    if not await tx.execute(_REPORT, **row):
        return False
    await tx.execute(_OPEN, **_case(given_.subject, post_id, author_id, CaseState.OPEN, given_.created_at, ""))
    return True


async def decide(
    tx: Connection, subject: Subject, post_id: UUID, author_id: UUID, state: CaseState, reason: str, now: datetime
) -> None:
    """Store what became of a case, which there may not have been before."""
    await tx.execute(_DECIDE, **_case(subject, post_id, author_id, state, now, reason))


async def close(tx: Connection, subject: Subject) -> None:
    """Store that the content of a case, if there is one, was deleted."""
    await tx.execute(_CLOSE, subject_id=subject.id)


async def get(connection: Connection, subject: Subject) -> Case | None:
    """Give the case of a post or reply, or None."""
    row = await connection.one(_GET, subject_id=subject.id)
    return (await _cases(connection, [row]))[0] if row else None


async def page(
    connection: Connection, state: CaseState | None, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Case]:
    """Give one page of the cases in a state, or of all."""
    parameters: dict[str, Any] = {"state": state.value} if state else {}
    found = await _queue(in_state=state is not None).page(connection, request, cursors, scope, **parameters)
    return found.of(await _cases(connection, found.rows))


async def log(tx: Connection, action: Action) -> None:
    """Add to the moderation log."""
    row = {
        "id": action.id,
        "kind": action.kind.value,
        "subject_kind": action.subject.kind.value,
        "subject_id": action.subject.id,
        "post_id": action.post_id,
        "moderator_id": action.moderator_id,
        "reason": action.reason,
        "created_at": action.created_at,
    }
    await tx.execute(_LOG, **row)


async def log_page(
    connection: Connection, post_id: UUID | None, request: PageRequest, cursors: Cursors, scope: str
) -> Page[Action]:
    """Give one page of the moderation log, of one post with its replies or of all."""
    parameters: dict[str, Any] = {"post_id": post_id} if post_id else {}
    found = await _actions(of_post=post_id is not None).page(connection, request, cursors, scope, **parameters)
    return found.of([_action(row) for row in found.rows])


@lru_cache(maxsize=2)
def _queue(*, in_state: bool) -> Listing:
    listed = sa.select(*cases.c, _excerpt)
    if in_state:
        listed = listed.where(cases.c.state == sa.bindparam("state", type_=sa.Text))
    return Listing([listed], OLDEST_FIRST, "cases", counted_in_order=True)


@lru_cache(maxsize=2)
def _actions(*, of_post: bool) -> Listing:
    listed = sa.select(*moderation_log.c)
    if of_post:
        listed = listed.where(moderation_log.c.post_id == sa.bindparam("post_id", type_=sa.Uuid))
    return Listing([listed], NEWEST_FIRST, "moderation_log", counted_in_order=True)


async def _cases(connection: Connection, rows: Sequence[Any]) -> list[Case]:
    ids = [row.subject_id for row in rows]
    reasons: dict[UUID, dict[ReportReason, int]] = {id_: {} for id_ in ids}
    notes: dict[UUID, list[str]] = {id_: [] for id_ in ids}
    for counted in await connection.all(_REASONS, ids=ids):
        reasons[counted.subject_id][ReportReason(counted.reason)] = counted.total
    for noted in await connection.all(_NOTES, ids=ids):
        notes[noted.id].append(noted.note)
    return [
        Case(
            subject=Subject(SubjectKind(row.subject_kind), row.subject_id),
            post_id=row.post_id,
            author_id=row.author_id,
            excerpt=row.excerpt or "",
            state=CaseState(row.state),
            opened_at=row.opened_at,
            decision_reason=row.decision_reason,
            reports=reasons[row.subject_id],
            notes=tuple(notes[row.subject_id]),
        )
        for row in rows
    ]


def _case(
    subject: Subject, post_id: UUID, author_id: UUID, state: CaseState, opened_at: datetime, reason: str
) -> dict[str, Any]:
    return {
        "subject_id": subject.id,
        "subject_kind": subject.kind.value,
        "post_id": post_id,
        "author_id": author_id,
        "state": state.value,
        "opened_at": opened_at,
        "decision_reason": reason,
    }


def _action(row: Any) -> Action:
    return Action(
        id=row.id,
        kind=ActionKind(row.kind),
        subject=Subject(SubjectKind(row.subject_kind), row.subject_id),
        post_id=row.post_id,
        moderator_id=row.moderator_id,
        reason=row.reason,
        created_at=row.created_at,
    )
