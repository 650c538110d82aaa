"""The community's messages as JSON, and the names of its enums."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.moments import rfc3339
from neoforge.community.v1 import categories_pb2, content_pb2, moderation_pb2, posts_pb2, replies_pb2


def _numbers(enum: Any) -> Mapping[str, Any]:
    """Give the numbers of an enum by the names that clients know: REPORT_REASON_OFF_TOPIC is `off_topic`."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return {name.removeprefix(prefix).lower(): number for name, number in enum.items() if number}


def _names(enum: Any) -> Mapping[int, str]:
    return {number: name for name, number in _numbers(enum).items()}


REACTION_KINDS: Final = _numbers(content_pb2.ReactionKind)
REPORT_REASONS: Final = _numbers(moderation_pb2.ReportReason)
CASE_STATES: Final = _numbers(moderation_pb2.CaseState)
ORDERS: Final = _numbers(posts_pb2.Order)
ANSWERED: Final = _numbers(posts_pb2.Answered)

_STATUS: Final = _names(content_pb2.Status)
_REACTION: Final = _names(content_pb2.ReactionKind)
_REASON: Final = _names(moderation_pb2.ReportReason)
_STATE: Final = _names(moderation_pb2.CaseState)
_ACTION: Final = _names(moderation_pb2.ActionKind)


def excerpt_json(post: posts_pb2.Post) -> dict[str, Any]:
    """Give a post in the form of Excerpt."""
    return {
        "id": post.id,
        "category": post.category,
        "author_id": post.author_id,
        "title": post.title,
        "excerpt": post.excerpt,
        "tags": list(post.tags),
        "status": _STATUS[post.status],
        "hidden_reason": post.hidden_reason or None,
        "pinned": post.pinned,
        "locked": post.locked,
        "accepted_reply_id": post.accepted_reply_id or None,
        "created_at": rfc3339(post.created_at),
        "updated_at": rfc3339(post.updated_at),
        "edited_at": rfc3339(post.edited_at) if post.HasField("edited_at") else None,
        "version": post.version,
    }


def post_json(post: posts_pb2.Post) -> dict[str, Any]:
    """Give a post in the form of Post."""
    return {**excerpt_json(post), "body": post.body, "html": post.html}


def reactions_json(reactions: Iterable[content_pb2.Reaction]) -> list[dict[str, Any]]:
    """Give reactions in the form of Reaction."""
    return [{"kind": _REACTION[r.kind], "count": r.count, "mine": r.mine} for r in reactions]


def activity_json(activity: content_pb2.Activity) -> dict[str, Any]:
    """Give what readers made of a post in the form of Activity."""
    return {
        "reactions": reactions_json(activity.reactions),
        "reply_count": activity.reply_count,
        "points": activity.points,
        "last_activity_at": rfc3339(activity.last_activity_at),
    }


def reply_json(reply: replies_pb2.Reply) -> dict[str, Any]:
    """Give a reply in the form of Reply."""
    return {
        "id": reply.id,
        "post_id": reply.post_id,
        "parent_id": reply.parent_id or None,
        "depth": reply.depth,
        "author_id": reply.author_id or None,
        "body": reply.body,
        "html": reply.html,
        "status": _STATUS[reply.status],
        "hidden_reason": reply.hidden_reason or None,
        "created_at": rfc3339(reply.created_at),
        "updated_at": rfc3339(reply.updated_at),
        "edited_at": rfc3339(reply.edited_at) if reply.HasField("edited_at") else None,
        "version": reply.version,
    }


def category_json(category: categories_pb2.Category) -> dict[str, Any]:
    """Give a category in the form of Category."""
    return {
        "slug": category.slug,
        "name": category.name,
        "description": category.description,
        "position": category.position,
        "created_at": rfc3339(category.created_at),
        "updated_at": rfc3339(category.updated_at),
        "version": category.version,
    }


def case_json(case: moderation_pb2.Case) -> dict[str, Any]:
    """Give a case in the form of Case."""
    kind, id_ = _subject(case.subject)
    return {
        "kind": kind,
        "id": id_,
        "post_id": case.post_id,
        "author_id": case.author_id,
        "excerpt": case.excerpt,
        "state": _STATE[case.state],
        "reports": [{"reason": _REASON[r.reason], "count": r.count} for r in case.reports],
        "notes": list(case.notes),
        "opened_at": rfc3339(case.opened_at),
        "decision_reason": case.decision_reason or None,
    }


def action_json(action: moderation_pb2.Action) -> dict[str, Any]:
    """Give an entry of the moderation log in the form of Action."""
    kind, id_ = _subject(action.subject)
    return {
        "id": action.id,
        "action": _ACTION[action.kind],
        "kind": kind,
        "subject_id": id_,
        "post_id": action.post_id,
        "moderator_id": action.moderator_id,
        "reason": action.reason or None,
        "created_at": rfc3339(action.created_at),
    }


def _subject(subject: content_pb2.Subject) -> tuple[str, str]:
    return ("post", subject.post_id) if subject.post_id else ("reply", subject.reply_id)
