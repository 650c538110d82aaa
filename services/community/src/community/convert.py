"""Between the model and the protos of neoforge.community.v1."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from chassis import call as calls
from chassis.convert import from_enum, masked, needed, parse_uuid, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from chassis.paging import Order
from community.model.categories import Category
from community.model.content import (
    MODERATORS,
    Activity,
    Filter,
    Post,
    ReactionCount,
    ReactionKind,
    Reply,
    Subject,
    SubjectKind,
    Viewer,
)
from community.model.moderation import Action, Case, CaseState, Decision, ReportReason
from community.store.listing import HOT, NEW, TOP
from neoforge.community.v1 import categories_pb2, content_pb2, moderation_pb2, posts_pb2, replies_pb2

_ORDERS: Final[Mapping[int, Order]] = {
    posts_pb2.ORDER_UNSPECIFIED: HOT,
    posts_pb2.ORDER_HOT: HOT,
    posts_pb2.ORDER_NEW: NEW,
    posts_pb2.ORDER_TOP: TOP,
}
_ANSWERED: Final[Mapping[int, bool | None]] = {
    posts_pb2.ANSWERED_UNSPECIFIED: None,
    posts_pb2.ANSWERED_YES: True,
    posts_pb2.ANSWERED_NO: False,
}
_POST_CHANGES: Final[Mapping[str, Callable[[posts_pb2.Post], Any]]] = {
    "category": lambda p: p.category,
    "title": lambda p: p.title,
    "body": lambda p: p.body,
    "tags": lambda p: tuple(p.tags),
}
_REPLY_CHANGES: Final[Mapping[str, Callable[[replies_pb2.Reply], Any]]] = {"body": lambda r: r.body}
_CATEGORY_CHANGES: Final[Mapping[str, Callable[[categories_pb2.Category], Any]]] = {
    "name": lambda c: c.name,
    "description": lambda c: c.description,
    "position": lambda c: c.position,
}


def viewer() -> Viewer:
    """Give who calls, as the rules want to know it."""
    caller = calls.current().caller
    return Viewer(caller.subject, moderates=not caller.roles.isdisjoint(MODERATORS))


def post_proto(post: Post) -> posts_pb2.Post:
    """Give a post as its message."""
    return posts_pb2.Post(
        id=str(post.id),
        category=post.category,
        author_id=str(post.author_id),
        title=post.title,
        body=post.body,
        html=post.html,
        excerpt=post.excerpt,
        tags=post.tags,
        status=to_enum(content_pb2.Status, post.status),
        hidden_reason=post.hidden_reason,
        pinned=post.pinned,
        locked=post.locked,
        accepted_reply_id=str(post.accepted_reply_id or ""),
        created_at=timestamp(post.created_at),
        updated_at=timestamp(post.updated_at),
        edited_at=timestamp(post.edited_at) if post.edited_at else None,
        version=post.version,
    )


def reply_proto(reply: Reply, viewer: Viewer) -> replies_pb2.Reply:
    """Give a reply as its message, without author and text for those who may not read it."""
    made = replies_pb2.Reply(
        id=str(reply.id),
        post_id=str(reply.post_id),
        parent_id=str(reply.parent_id or ""),
        depth=reply.depth,
        status=to_enum(content_pb2.Status, reply.status),
        created_at=timestamp(reply.created_at),
        updated_at=timestamp(reply.updated_at),
        version=reply.version,
    )
    if reply.readable_by(viewer):
        made.author_id = str(reply.author_id)
        made.body, made.html, made.hidden_reason = reply.body, reply.html, reply.hidden_reason
        if reply.edited_at:
            made.edited_at.CopyFrom(timestamp(reply.edited_at))
    return made


def category_proto(category: Category) -> categories_pb2.Category:
    """Give a category as its message."""
    return categories_pb2.Category(
        slug=category.slug,
        name=category.name,
        description=category.description,
        position=category.position,
        created_at=timestamp(category.created_at),
        updated_at=timestamp(category.updated_at),
        version=category.version,
    )


def reactions_proto(counts: Iterable[ReactionCount]) -> list[content_pb2.Reaction]:
    """Give reactions as their messages."""
    return [
        content_pb2.Reaction(kind=to_enum(content_pb2.ReactionKind, r.kind), count=r.count, mine=r.mine) for r in counts
    ]


def activity_proto(activity: Activity) -> content_pb2.Activity:
    """Give what readers made of a post as its message."""
    return content_pb2.Activity(
        reactions=reactions_proto(activity.reactions),
        reply_count=activity.reply_count,
        points=activity.points,
        last_activity_at=timestamp(activity.last_activity_at),
    )


def case_proto(case: Case) -> moderation_pb2.Case:
    """Give a case as its message."""
    return moderation_pb2.Case(
        subject=subject_proto(case.subject),
        post_id=str(case.post_id),
        author_id=str(case.author_id),
        excerpt=case.excerpt,
        state=to_enum(moderation_pb2.CaseState, case.state),
        reports=[
            moderation_pb2.ReportCount(reason=to_enum(moderation_pb2.ReportReason, reason), count=case.reports[reason])
            for reason in ReportReason
            if reason in case.reports
        ],
        notes=case.notes,
        opened_at=timestamp(case.opened_at),
        decision_reason=case.decision_reason,
    )


def action_proto(action: Action) -> moderation_pb2.Action:
    """Give an entry of the moderation log as its message."""
    return moderation_pb2.Action(
        id=str(action.id),
        kind=to_enum(moderation_pb2.ActionKind, action.kind),
        subject=subject_proto(action.subject),
        post_id=str(action.post_id),
        moderator_id=str(action.moderator_id),
        reason=action.reason,
        created_at=timestamp(action.created_at),
    )


def subject_proto(subject: Subject) -> content_pb2.Subject:
    """Give a post or reply by its id as its message."""
    if subject.kind is SubjectKind.POST:
        return content_pb2.Subject(post_id=str(subject.id))
    return content_pb2.Subject(reply_id=str(subject.id))


def subject(message: content_pb2.Subject) -> Subject:
    """Give the post or reply that is meant.

    Raises:
        InvalidFields: neither is, or its id is none.
    """
    which = message.WhichOneof("subject")
    if which is None:
        raise InvalidFields.of([Violation("subject", "must be a post or a reply")])
    kind = SubjectKind.POST if which == "post_id" else SubjectKind.REPLY
    return Subject(kind, parse_uuid(getattr(message, which), f"subject.{which}"))


def reaction_kind(number: int) -> ReactionKind:
    """Give the kind of a reaction.

    Raises:
        InvalidFields: it is none.
    """
    return needed(from_enum(content_pb2.ReactionKind, ReactionKind, number, "kind"), "kind")


def report_reason(number: int) -> ReportReason:
    """Give the reason of a report.

    Raises:
        InvalidFields: it is none.
    """
    return needed(from_enum(moderation_pb2.ReportReason, ReportReason, number, "reason"), "reason")


def decision(number: int) -> Decision:
    """Give a moderator's decision.

    Raises:
        InvalidFields: it is none.
    """
    return needed(from_enum(moderation_pb2.Decision, Decision, number, "decision"), "decision")


def case_state(number: int) -> CaseState | None:
    """Give the state that cases shall be in, None for any.

    Raises:
        InvalidFields: it is none.
    """
    return from_enum(moderation_pb2.CaseState, CaseState, number, "state")


def post_changes(request: posts_pb2.UpdatePostRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _POST_CHANGES, request.post)


def reply_changes(request: replies_pb2.UpdateReplyRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _REPLY_CHANGES, request.reply)


def category_changes(request: categories_pb2.UpdateCategoryRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _CATEGORY_CHANGES, request.category)


def wanted(request: posts_pb2.ListPostsRequest) -> tuple[Filter, Order]:
    """Give filter and order of a list.

    Raises:
        InvalidFields: a field breaks its rule.
    """
    if request.answered not in _ANSWERED:
        raise InvalidFields.of([Violation("answered", "must be yes or no")])
    asked = Filter(
        category=request.category,
        tag=request.tag,
        author_id=parse_uuid(request.author_id, "author_id") if request.author_id else None,
        answered=_ANSWERED[request.answered],
        text=request.text.strip(),  # blanks alone are no words
    )
    asked.check()
    order = _ORDERS.get(request.order)
    if order is None:
        raise InvalidFields.of([Violation("order", "is none of the orders")])
    return asked, order
