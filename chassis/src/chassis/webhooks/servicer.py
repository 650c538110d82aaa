"""neoforge.common.v1.WebhooksService, the same in every service that has webhooks; each RPC in one transaction."""

from typing import Any, Final
from uuid import UUID

from chassis import call as calls
from chassis.access import SIGNED_IN, allow
from chassis.convert import page_proto, parse_uuid, timestamp
from chassis.database import Database
from chassis.errors import Forbidden, InvalidFields, Violation
from chassis.idempotency import Idempotency
from chassis.webhooks import convert
from chassis.webhooks.management import Webhooks
from neoforge.common.v1 import webhooks_pb2 as pb
from neoforge.common.v1 import webhooks_pb2_grpc

_ADMIN: Final = "admin"


class WebhooksServicer(webhooks_pb2_grpc.WebhooksServiceServicer):
    """Answers the calls of WebhooksService from PostgreSQL."""

    def __init__(self, database: Database, idempotency: Idempotency, webhooks: Webhooks) -> None:
        self._database = database
        self._idempotency = idempotency
        self._webhooks = webhooks

    @allow(SIGNED_IN)
    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Any) -> pb.CreateWebhookResponse:
        person = calls.current().person
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.CreateWebhookResponse)
            if earlier:
                earlier.secret = self._webhooks.opened(earlier.secret, UUID(earlier.webhook.id))
                return earlier
            endpoint, secret = await self._webhooks.create(
                tx,
                person,
                url=request.url,
                events=tuple(request.events),
                description=request.description,
                contact=request.contact,
            )
            # The recorded reply lies in the database: what it says of the secret is sealed.
            sealed = self._webhooks.sealed(secret, endpoint.id)
            webhook = convert.webhook_proto(endpoint)
            await self._idempotency.record(tx, pb.CreateWebhookResponse(webhook=webhook, secret=sealed))
        return pb.CreateWebhookResponse(webhook=webhook, secret=secret)

    @allow(SIGNED_IN)
    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Any) -> pb.GetWebhookResponse:
        id_, owner = parse_uuid(request.id, "id"), _within_reach()
        known = request.unless_version
        async with self._database.connection() as connection:
            if known and await self._webhooks.version(connection, id_, owner) == known:
                return pb.GetWebhookResponse(unchanged_version=known)
            endpoint = await self._webhooks.get(connection, id_, owner)
        return pb.GetWebhookResponse(webhook=convert.webhook_proto(endpoint))

    @allow(SIGNED_IN)
    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Any) -> pb.ListWebhooksResponse:
        person, owner = calls.current().person, _listed(request)
        async with self._database.connection() as connection:
            page = await self._webhooks.page(connection, person, owner, convert.page_wanted(request))
        return pb.ListWebhooksResponse(webhooks=map(convert.webhook_proto, page.rows), page=page_proto(page))

    @allow(SIGNED_IN)
    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Any) -> pb.UpdateWebhookResponse:
        id_, person = parse_uuid(request.webhook.id, "webhook.id"), calls.current().person
        changes = convert.changes(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UpdateWebhookResponse)
            if earlier:
                return earlier
            endpoint = await self._webhooks.change(tx, id_, person, changes, request.expected_version)
            reply = pb.UpdateWebhookResponse(webhook=convert.webhook_proto(endpoint))
            return await self._idempotency.record(tx, reply)

    @allow(SIGNED_IN)
    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Any) -> pb.DeleteWebhookResponse:
        id_, owner = parse_uuid(request.id, "id"), _within_reach()
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteWebhookResponse)
            if earlier:
                return earlier
            await self._webhooks.delete(tx, id_, owner, request.expected_version)
            return await self._idempotency.record(tx, pb.DeleteWebhookResponse())

    @allow(SIGNED_IN)
    async def RotateSecret(self, request: pb.RotateSecretRequest, context: Any) -> pb.RotateSecretResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        overlap = convert.overlap(request)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.RotateSecretResponse)
            if earlier:
                earlier.secret = self._webhooks.opened(earlier.secret, id_)
                return earlier
            secret, until = await self._webhooks.rotate(tx, id_, person, overlap)
            sealed = self._webhooks.sealed(secret, id_)
            await self._idempotency.record(tx, pb.RotateSecretResponse(secret=sealed, previous_until=timestamp(until)))
        return pb.RotateSecretResponse(secret=secret, previous_until=timestamp(until))

    @allow(SIGNED_IN)
    async def SendTestEvent(self, request: pb.SendTestEventRequest, context: Any) -> pb.SendTestEventResponse:
        id_, person = parse_uuid(request.id, "id"), calls.current().person
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.SendTestEventResponse)
            if earlier:
                return earlier
            message_id = await self._webhooks.test(tx, id_, person)
            return await self._idempotency.record(tx, pb.SendTestEventResponse(message_id=str(message_id)))

    @allow(SIGNED_IN)
    async def ListAttempts(self, request: pb.ListAttemptsRequest, context: Any) -> pb.ListAttemptsResponse:
        id_, person = parse_uuid(request.webhook_id, "webhook_id"), calls.current().person
        message_id = parse_uuid(request.message_id, "message_id") if request.message_id else None
        wanted = convert.page_wanted(request)
        async with self._database.connection() as connection:
            page = await self._webhooks.attempts(connection, id_, person, message_id, wanted)
        return pb.ListAttemptsResponse(attempts=map(convert.attempt_proto, page.rows), page=page_proto(page))

    @allow(SIGNED_IN)
    async def ReplayMessage(self, request: pb.ReplayMessageRequest, context: Any) -> pb.ReplayMessageResponse:
        id_, person = parse_uuid(request.webhook_id, "webhook_id"), calls.current().person
        message_id = parse_uuid(request.message_id, "message_id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.ReplayMessageResponse)
            if earlier:
                return earlier
            await self._webhooks.replay(tx, id_, person, message_id)
            return await self._idempotency.record(tx, pb.ReplayMessageResponse())


def _within_reach() -> UUID | None:
    """Give whose webhooks the caller may read and delete: their own; an admin (None), everyone's."""
    call = calls.current()
    return None if _ADMIN in call.caller.roles else call.person


def _listed(request: pb.ListWebhooksRequest) -> UUID | None:
    """Give whose webhooks to list, None for everyone's.

    Raises:
        Forbidden: the caller is no admin, and they are not their own alone.
        InvalidFields: one and all are asked for.
    """
    if request.everyones and request.owner_id:
        raise InvalidFields.of([Violation("owner_id", "must not stand beside everyones")])
    person = calls.current().person
    owner = parse_uuid(request.owner_id, "owner_id") if request.owner_id else None if request.everyones else person
    if owner != person and _within_reach() is not None:
        raise Forbidden("listing other people's webhooks is for admins")
    return owner
