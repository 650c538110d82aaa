"""Webhooks: where the events of a service are sent, and what came of it; the same routes for each that has them."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Body, Path, Query
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from pydantic import BaseModel
from pydantic_core import to_json

from gateway.body import MERGE_PATCH
from gateway.call import Call
from gateway.declaration import NO_CONTENT, Declaration, Key, Kind, Tagged
from gateway.moments import rfc3339
from gateway.operations import Endpoint, Operations
from gateway.paging import PaginatedResponse, page_json, page_links
from gateway.representation import Answer, tag_of
from gateway.routes.webhooks_models import (
    Attempt,
    AttemptQuery,
    NewWebhook,
    RotatedSecret,
    Rotation,
    SentMessage,
    WebhookChanges,
    WebhookQuery,
)
from neoforge.common.v1 import webhooks_pb2 as pb

if TYPE_CHECKING:
    from neoforge.common.v1.webhooks_pb2_grpc import WebhooksServiceAsyncStub

WebhookId = Annotated[str, Path(description="The webhook's id.", json_schema_extra={"format": "uuid"})]
MessageId = Annotated[str, Path(description="The message's id.", json_schema_extra={"format": "uuid"})]

_ROTATION: Final = Rotation()
"""What a request without a body asks for."""

_REASONS: Final = {
    pb.DISABLED_REASON_UNSPECIFIED: None,
    pb.DISABLED_REASON_OWNER: "owner",
    pb.DISABLED_REASON_FAILING: "failing",
    pb.DISABLED_REASON_GONE: "gone",
}


@dataclass(frozen=True)
class Models:
    """The models of a service's webhooks, with the names of its events."""

    webhook: type[BaseModel]
    listed: type[BaseModel]
    created: type[BaseModel]
    new: type[BaseModel]
    changes: type[BaseModel]


def webhook_routes(  # noqa: C901 - nine routes, each of a few lines
    tag: str, path: str, noun: str, stub: "Callable[[Call], WebhooksServiceAsyncStub]", models: Models
) -> Operations:
    """Give the routes of a service's webhooks at `path`; `noun` is the singular by which operations name them."""
    operations = Operations(tag)
    item = path + "/{webhook_id:id}"

    def serve(name: str, where: str, declaration: Declaration, **types: Any) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            endpoint.__name__ = name.format(noun)
            endpoint.__annotations__ |= types
            return operations.serve(where, declaration)(endpoint)

        return add

    async def expected_version(call: Call, webhook_id: str) -> int:
        """Give the version that the request's preconditions ask for."""

        async def current() -> int:
            found = await call.look(stub(call).GetWebhook, pb.GetWebhookRequest(id=webhook_id))
            return int(found.webhook.version)

        return await call.preconditions.expected_version(current)

    @serve("get_{}", item, Declaration(Kind.READ, "GET", models.webhook))
    async def get(call: Call, webhook_id: WebhookId) -> Answer:
        """Read one webhook."""
        known = call.preconditions.known_version(gzip_accepted=call.gzip_accepted)
        reply = await call.ask(
            stub(call).GetWebhook,
            pb.GetWebhookRequest(id=webhook_id, unless_version=known),
        )
        if reply.message.WhichOneof("result") == "unchanged_version":
            return Answer(tag=str(reply.message.unchanged_version), unchanged=True)
        webhook = reply.message.webhook
        return Answer(to_json(_webhook_json(webhook)), tag=str(webhook.version))

    @serve(
        "list_{}s",
        path,
        Declaration(Kind.READ, "GET", models.listed, tagged=Tagged.CONTENT, has_cursor=True, names_in_query=True),
    )
    async def list_(call: Call, query: Annotated[WebhookQuery, Query()]) -> Answer:
        """List the caller's webhooks, of an admin anyone's or all, the newest first, a page at a time."""
        everyones = query.owner_id == "any"
        reply = await call.ask(
            stub(call).ListWebhooks,
            pb.ListWebhooksRequest(
                owner_id="" if everyones else query.owner_id or "",
                everyones=everyones,
                page_size=query.page_size,
                page=query.page or 0,
                cursor=query.cursor or "",
            ),
        )
        page = reply.message.page
        body = to_json(page_json([_webhook_json(webhook) for webhook in reply.message.webhooks], page))
        return Answer(body, tag=tag_of(body), links=page_links(path, query, page))

    @serve(
        "create_{}",
        path,
        Declaration(
            Kind.CREATE,
            "POST",
            models.created,
            success=HTTPStatus.CREATED,
            key=Key.REQUIRED,
            conflicts=("LIMIT_REACHED",),
        ),
        body=models.new,
    )
    async def create(call: Call, body: NewWebhook[Any]) -> Answer:
        """Create a webhook. The answer holds its secret, which is never shown again."""
        reply = await call.ask(
            stub(call).CreateWebhook,
            pb.CreateWebhookRequest(
                url=body.url, events=body.events, description=body.description, contact=body.contact
            ),
        )
        webhook = reply.message.webhook
        return Answer(
            to_json({**_webhook_json(webhook), "secret": reply.message.secret}),
            tag=str(webhook.version),
            status=HTTPStatus.CREATED,
            location=f"{path}/{webhook.id}",
            replayed=reply.replayed,
        )

    @serve(
        "update_{}",
        item,
        Declaration(Kind.CHANGE, "PATCH", models.webhook, key=Key.OPTIONAL, media_types=MERGE_PATCH),
        body=Annotated[models.changes, Body(media_type="application/merge-patch+json")],
    )
    async def update(call: Call, webhook_id: WebhookId, body: WebhookChanges[Any]) -> Answer:
        """Change a webhook, as a JSON merge patch (RFC 7396)."""
        reply = await call.ask(
            stub(call).UpdateWebhook,
            pb.UpdateWebhookRequest(
                webhook=pb.Webhook(
                    id=webhook_id,
                    url=body.url,
                    events=body.events,
                    description=body.description or "",
                    contact=body.contact or "",
                    enabled=body.enabled,
                ),
                update_mask=FieldMask(paths=sorted(body.model_fields_set)),
                expected_version=await expected_version(call, webhook_id),
            ),
        )
        webhook = reply.message.webhook
        return Answer(to_json(_webhook_json(webhook)), tag=str(webhook.version), replayed=reply.replayed)

    @serve("delete_{}", item, Declaration(Kind.REMOVE, "DELETE", None, success=NO_CONTENT, key=Key.OPTIONAL))
    async def delete(call: Call, webhook_id: WebhookId) -> Answer:
        """Delete a webhook, of an admin anyone's: nothing is sent to it any more."""
        reply = await call.ask(
            stub(call).DeleteWebhook,
            pb.DeleteWebhookRequest(id=webhook_id, expected_version=await expected_version(call, webhook_id)),
        )
        return Answer(status=NO_CONTENT, replayed=reply.replayed)

    @serve(
        "rotate_{}_secret",
        item + "/rotate-secret",
        Declaration(
            Kind.CHANGE,
            "POST",
            RotatedSecret,
            key=Key.REQUIRED,
            tagged=Tagged.CONTENT,
            conflicts=("LIMIT_REACHED",),
        ),
    )
    async def rotate(call: Call, webhook_id: WebhookId, body: Rotation = _ROTATION) -> Answer:
        """Give a webhook a new secret, which is never shown again; those before it sign as well for a while."""
        reply = await call.ask(
            stub(call).RotateSecret,
            pb.RotateSecretRequest(id=webhook_id, overlap=Duration(seconds=body.overlap_seconds)),
        )
        rotated = {"secret": reply.message.secret, "previous_until": rfc3339(reply.message.previous_until)}
        return Answer(to_json(rotated), replayed=reply.replayed)

    @serve(
        "test_{}",
        item + "/test",
        Declaration(
            Kind.CHANGE, "POST", SentMessage, success=HTTPStatus.ACCEPTED, key=Key.REQUIRED, tagged=Tagged.CONTENT
        ),
    )
    async def test(call: Call, webhook_id: WebhookId) -> Answer:
        """Send a `webhook.test` event, even to a disabled webhook, once; its attempt tells what came of it."""
        reply = await call.ask(stub(call).SendTestEvent, pb.SendTestEventRequest(id=webhook_id))
        return _accepted(reply.message.message_id, replayed=reply.replayed)

    @serve(
        "list_{}_attempts",
        item + "/attempts",
        Declaration(Kind.READ, "GET", PaginatedResponse[Attempt], has_cursor=True),
    )
    async def attempts(call: Call, webhook_id: WebhookId, query: Annotated[AttemptQuery, Query()]) -> Answer:
        """List the attempts at a webhook, the latest first, a page at a time."""
        reply = await call.ask(
            stub(call).ListAttempts,
            pb.ListAttemptsRequest(
                webhook_id=webhook_id,
                message_id=query.message_id or "",
                page_size=query.page_size,
                page=query.page or 0,
                cursor=query.cursor or "",
            ),
        )
        page = reply.message.page
        body = to_json(page_json([_attempt_json(attempt) for attempt in reply.message.attempts], page))
        return Answer(body, tag=tag_of(body), links=page_links(f"{path}/{webhook_id}/attempts", query, page))

    @serve(
        "replay_{}_message",
        item + "/messages/{message_id:id}/replay",
        Declaration(
            Kind.CHANGE, "POST", SentMessage, success=HTTPStatus.ACCEPTED, key=Key.REQUIRED, tagged=Tagged.CONTENT
        ),
    )
    async def replay(call: Call, webhook_id: WebhookId, message_id: MessageId) -> Answer:
        """Send a message again under the same `webhook-id`, whatever became of it before."""
        reply = await call.ask(
            stub(call).ReplayMessage,
            pb.ReplayMessageRequest(webhook_id=webhook_id, message_id=message_id),
        )
        return _accepted(message_id, replayed=reply.replayed)

    return operations


def _accepted(message_id: str, *, replayed: bool) -> Answer:
    return Answer(to_json({"message_id": message_id}), status=HTTPStatus.ACCEPTED, replayed=replayed)


def _webhook_json(webhook: pb.Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "contact": webhook.contact,
        "enabled": webhook.enabled,
        "disabled_reason": _REASONS[webhook.disabled_reason],
        "disabled_at": rfc3339(webhook.disabled_at) if webhook.HasField("disabled_at") else None,
        "created_at": rfc3339(webhook.created_at),
        "updated_at": rfc3339(webhook.updated_at),
        "owner_id": webhook.owner_id,
        "version": webhook.version,
    }


def _attempt_json(attempt: pb.Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "message_id": attempt.message_id,
        "event_type": attempt.event_type,
        "started_at": rfc3339(attempt.started_at),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status or None,
        "error": attempt.error,
        "response_excerpt": attempt.response_excerpt,
        "next_attempt_at": rfc3339(attempt.next_attempt_at) if attempt.HasField("next_attempt_at") else None,
    }
