"""Reactions, their counts, and what readers made of posts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, statement
from community.model.content import Activity, ReactionCount, ReactionKind, Subject, SubjectKind
from community.store import entries
from community.store.rows import given
from community.tables import activity, reaction_counts, reactions

_KINDS: Final = list(ReactionKind)
_subject_id: Final = sa.bindparam("subject_id", type_=sa.Uuid)
_post_id: Final = sa.bindparam("post_id", type_=sa.Uuid)
_kind: Final = sa.bindparam("kind", type_=sa.Text)
_person: Final = sa.bindparam("person", type_=sa.Uuid)
_ids: Final = sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid))

_ADD = statement(
    sa.dialects.postgresql.insert(reactions).values(given(reactions.c)).on_conflict_do_nothing(), "INSERT reactions"
)
_REMOVE = statement(
    sa.delete(reactions).where(
        reactions.c.subject_id == _subject_id,
        reactions.c.person_id == sa.bindparam("person_id", type_=sa.Uuid),
        reactions.c.kind == _kind,
    ),
    "DELETE reactions",
)
_COUNT_UP = statement(
    sa.dialects.postgresql.insert(reaction_counts)
    .values(subject_id=_subject_id, kind=_kind, count=1)
    .on_conflict_do_update(index_elements=["subject_id", "kind"], set_={"count": reaction_counts.c.count + 1}),
    "INSERT reaction_counts",
)
_COUNT_DOWN = statement(
    sa.update(reaction_counts)
    .where(reaction_counts.c.subject_id == _subject_id, reaction_counts.c.kind == _kind)
    .values(count=reaction_counts.c.count - 1),
    "UPDATE reaction_counts",
)
_RISE = statement(
    sa.update(activity).where(activity.c.post_id == _post_id).values(reaction_count=activity.c.reaction_count + 1),
    "UPDATE activity",
)
_FALL = statement(
    sa.update(activity)
    .where(activity.c.post_id == _post_id)
    .values(reaction_count=activity.c.reaction_count - 1, fell_at=sa.func.clock_timestamp()),
    "UPDATE activity",
)
_FORGET = statement(sa.delete(reactions).where(reactions.c.subject_id == _subject_id), "DELETE reactions")
_FORGET_COUNTS = statement(
    sa.delete(reaction_counts).where(reaction_counts.c.subject_id == _subject_id), "DELETE reaction_counts"
)
_mine = sa.exists().where(
    reactions.c.subject_id == reaction_counts.c.subject_id,
    reactions.c.person_id == _person,
    reactions.c.kind == reaction_counts.c.kind,
)
_COUNTS = statement(
    sa.select(reaction_counts.c.subject_id, reaction_counts.c.kind, reaction_counts.c.count, _mine.label("mine")).where(
        reaction_counts.c.subject_id == sa.any_(_ids), reaction_counts.c.count > 0
    ),
    "SELECT reaction_counts",
)
_ACTIVITIES = statement(
    sa.select(activity.c.post_id, activity.c.reply_count, activity.c.points, activity.c.last_activity_at).where(
        activity.c.post_id == sa.any_(_ids)
    ),
    "SELECT activity",
)


async def add(tx: Connection, subject: Subject, person: UUID, kind: ReactionKind, now: datetime) -> None:
    """Store a reaction and count it, unless it is there."""
    key = {"subject_id": subject.id, "kind": kind.value}
    if not await tx.execute(_ADD, **key, person_id=person, created_at=now):
        return
    await tx.execute(_COUNT_UP, **key)
    if subject.kind is SubjectKind.POST:
        await tx.execute(_RISE, post_id=subject.id)
        await entries.score(tx, subject.id)


async def remove(tx: Connection, subject: Subject, person: UUID, kind: ReactionKind) -> None:
    """Take a reaction out and count it no more, if it is there."""
    key = {"subject_id": subject.id, "kind": kind.value}
    if not await tx.execute(_REMOVE, **key, person_id=person):
        return
    await tx.execute(_COUNT_DOWN, **key)
    if subject.kind is SubjectKind.POST:
        await tx.execute(_FALL, post_id=subject.id)
        await entries.score(tx, subject.id)


async def forget(tx: Connection, subject_id: UUID) -> None:
    """Remove all reactions to what was deleted; the points that a deleted post had do not matter any more."""
    await tx.execute(_FORGET, subject_id=subject_id)
    await tx.execute(_FORGET_COUNTS, subject_id=subject_id)


async def counts(
    connection: Connection, ids: Sequence[UUID], person: UUID | None
) -> Mapping[UUID, tuple[ReactionCount, ...]]:
    """Give the reactions to each of these posts or replies, in the order of ReactionKind."""
    found: dict[UUID, list[ReactionCount]] = {id_: [] for id_ in ids}
    for row in await connection.all(_COUNTS, ids=list(ids), person=person):
        found[row.subject_id].append(ReactionCount(ReactionKind(row.kind), row.count, row.mine))
    return {id_: tuple(sorted(given_, key=lambda r: _KINDS.index(r.kind))) for id_, given_ in found.items()}


async def activities(connection: Connection, ids: Sequence[UUID], person: UUID | None) -> Mapping[UUID, Activity]:
    """Give what readers made of each of these posts."""
    reacted = await counts(connection, ids, person)
    rows = await connection.all(_ACTIVITIES, ids=list(ids))
    return {
        row.post_id: Activity(reacted[row.post_id], row.reply_count, row.points, row.last_activity_at) for row in rows
    }
