"""Between webhooks and the protos of neoforge.common.v1."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from chassis.convert import masked, timestamp, to_enum
from chassis.errors import InvalidFields, Violation
from chassis.webhooks.management import OVERLAP, PageWanted
from chassis.webhooks.model import Attempt, Endpoint
from neoforge.common.v1 import webhooks_pb2 as pb

_CHANGES: Final[Mapping[str, Callable[[pb.Webhook], Any]]] = {
    "url": lambda w: w.url,
    "events": lambda w: tuple(w.events),
    "description": lambda w: w.description,
    "contact": lambda w: w.contact,
    "enabled": lambda w: w.enabled,
}


def webhook_proto(endpoint: Endpoint) -> pb.Webhook:
    """Give an endpoint as its message."""
    reason = endpoint.disabled_reason
    return pb.Webhook(
        id=str(endpoint.id),
        url=endpoint.url,
        events=endpoint.events,
        description=endpoint.description,
        contact=endpoint.contact,
        enabled=endpoint.enabled,
        disabled_reason=to_enum(pb.DisabledReason, reason) if reason else pb.DISABLED_REASON_UNSPECIFIED,
        disabled_at=timestamp(endpoint.disabled_at) if endpoint.disabled_at else None,
        created_at=timestamp(endpoint.created_at),
        updated_at=timestamp(endpoint.updated_at),
        version=endpoint.version,
        owner_id=str(endpoint.owner_id),
    )


def attempt_proto(attempt: Attempt) -> pb.Attempt:
    """Give an attempt as its message."""
    return pb.Attempt(
        id=str(attempt.id),
        message_id=str(attempt.message_id),
        event_type=attempt.event_type,
        started_at=timestamp(attempt.started_at),
        duration_ms=attempt.duration_ms,
        status=attempt.status or 0,
        error=attempt.error,
        response_excerpt=attempt.response_excerpt,
        next_attempt_at=timestamp(attempt.next_attempt_at) if attempt.next_attempt_at else None,
    )


def changes(request: pb.UpdateWebhookRequest) -> dict[str, Any]:
    """Give the new values of the fields in the mask.

    Raises:
        InvalidFields: the mask is empty or names a field that cannot be changed.
    """
    return masked(request.update_mask.paths, _CHANGES, request.webhook)


def overlap(request: pb.RotateSecretRequest) -> timedelta:
    """Give how long the secrets before go on signing.

    Raises:
        InvalidFields: it is no duration.
    """
    if not request.HasField("overlap"):
        return OVERLAP
    try:
        return request.overlap.ToTimedelta()
    except (ValueError, OverflowError):
        raise InvalidFields.of([Violation("overlap", "must be a duration")]) from None


def page_wanted(request: pb.ListWebhooksRequest | pb.ListAttemptsRequest) -> PageWanted:
    """Give which page is asked for."""
    return PageWanted(request.page_size, request.page, request.cursor)
