"""neoforge.status.v1.SubscriberService."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.access import ANYONE, allow, with_role
from chassis.convert import page_proto, parse_uuid, timestamp
from chassis.database import Database
from chassis.idempotency import Idempotency
from chassis.jobs.outbox import Outbox
from chassis.mail.addresses import Mailbox
from chassis.mail.mails import Mails
from chassis.paging import Cursors
from chassis.signed_links import SignedLinks
from neoforge.status.v1 import subscribers_pb2 as pb
from neoforge.status.v1 import subscribers_pb2_grpc
from status.errors import SubscriptionNotFound
from status.model.subscribers import Subscriber
from status.servicer.scope import scope_of
from status.store import subscribers

MANAGERS = with_role("admin")


class SubscriberServicer(subscribers_pb2_grpc.SubscriberServiceServicer):
    """Answers the calls of SubscriberService from PostgreSQL; `now` tells the time."""

    def __init__(
        self,
        database: Database,
        idempotency: Idempotency,
        cursors: Cursors,
        outbox: Outbox,
        *,
        mails: Mails,
        links: SignedLinks,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._idempotency = idempotency
        self._cursors = cursors
        self._outbox = outbox
        self._mails = mails
        self._links = links
        self._now = now

    @allow(ANYONE)
    async def Subscribe(self, request: pb.SubscribeRequest, context: Any) -> pb.SubscribeResponse:
        now = self._now()
        wanted = Subscriber.asked(id=uuid7(), email=request.email, language=request.language, now=now)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.SubscribeResponse)
            if earlier:
                return earlier
            subscriber = await subscribers.insert_or_get(tx, wanted)
            asked = subscriber if subscriber is wanted else subscriber.to_be_asked_again(now)
            if asked is not None:
                await subscribers.update(tx, asked)
                await self._mails.put(
                    tx,
                    self._outbox,
                    to=Mailbox.of("", asked.email),
                    template="confirmation",
                    language=asked.language,
                    context={"subscriber_id": str(asked.id)},
                )
            return await self._idempotency.record(tx, pb.SubscribeResponse())

    @allow(ANYONE)
    async def GetSubscription(self, request: pb.GetSubscriptionRequest, context: Any) -> pb.GetSubscriptionResponse:
        id_ = self._read(request.token)
        async with self._database.connection() as connection:
            found = await subscribers.get(connection, id_)
        if found is None or found.confirmed(self._now()) is None:
            raise SubscriptionNotFound
        return pb.GetSubscriptionResponse(email=found.email, confirmed=found.confirmed_at is not None)

    @allow(ANYONE)
    async def ConfirmSubscription(
        self, request: pb.ConfirmSubscriptionRequest, context: Any
    ) -> pb.ConfirmSubscriptionResponse:
        id_ = self._read(request.token)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.ConfirmSubscriptionResponse)
            if earlier:
                return earlier
            found = await subscribers.get_for_change(tx, id_)
            confirmed = found.confirmed(self._now()) if found else None
            if confirmed is None:
                raise SubscriptionNotFound
            if confirmed is not found:
                await subscribers.update(tx, confirmed)
            return await self._idempotency.record(tx, pb.ConfirmSubscriptionResponse(email=confirmed.email))

    @allow(ANYONE)
    async def Unsubscribe(self, request: pb.UnsubscribeRequest, context: Any) -> pb.UnsubscribeResponse:
        id_ = self._read(request.token)
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.UnsubscribeResponse)
            if earlier:
                return earlier
            await subscribers.delete(tx, id_)
            return await self._idempotency.record(tx, pb.UnsubscribeResponse())

    @allow(MANAGERS)
    async def ListSubscribers(self, request: pb.ListSubscribersRequest, context: Any) -> pb.ListSubscribersResponse:
        scope = scope_of("subscribers")
        page_request = self._cursors.request(
            page_size=request.page_size, page=request.page, cursor=request.cursor, scope=scope
        )
        async with self._database.connection() as connection:
            page = await subscribers.page(connection, page_request, self._cursors, scope)
        return pb.ListSubscribersResponse(subscribers=map(_subscriber_proto, page.rows), page=page_proto(page))

    @allow(MANAGERS)
    async def DeleteSubscriber(self, request: pb.DeleteSubscriberRequest, context: Any) -> pb.DeleteSubscriberResponse:
        id_ = parse_uuid(request.id, "id")
        async with self._database.transaction() as tx:
            earlier = await self._idempotency.replay(tx, pb.DeleteSubscriberResponse)
            if earlier:
                return earlier
            if not await subscribers.delete(tx, id_):
                raise SubscriptionNotFound
            return await self._idempotency.record(tx, pb.DeleteSubscriberResponse())

    def _read(self, token: str) -> UUID:
        content = self._links.read(token)
        if content is None:
            raise SubscriptionNotFound
        return UUID(bytes=content)


def _subscriber_proto(subscriber: Subscriber) -> pb.Subscriber:
    return pb.Subscriber(
        id=str(subscriber.id),
        email=subscriber.email,
        language=subscriber.language,
        created_at=timestamp(subscriber.created_at),
        confirmed_at=timestamp(subscriber.confirmed_at) if subscriber.confirmed_at else None,
    )
