"""What owners do with their endpoints, each in a transaction of its caller; the same for every service."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection
from chassis.errors import InvalidFields, LimitReached, NotFound, VersionMismatch, Violation
from chassis.jobs.outbox import Outbox
from chassis.paging import Cursors, Page
from chassis.webhooks.endpoint_store import EndpointStore
from chassis.webhooks.message_store import MessageStore
from chassis.webhooks.model import MAX_ENDPOINTS, MAX_SECRETS, TEST_EVENT, Attempt, Endpoint, Event, Rules
from chassis.webhooks.sealing import Seal
from chassis.webhooks.signature import new_secret
from chassis.webhooks.turns import schedule

OVERLAP: Final = timedelta(hours=24)
"""How long the secret before a rotation goes on signing unless something else is asked for."""
MAX_OVERLAP: Final = timedelta(days=7)


class EndpointNotFound(NotFound):
    """There is no such endpoint, or it is another's, which is the same to the caller."""

    def __init__(self) -> None:
        super().__init__("there is no such webhook")


class MessageNotFound(NotFound):
    """The endpoint has no such message, or it has aged out."""

    def __init__(self) -> None:
        super().__init__("this webhook has no such message")


@dataclass(frozen=True)
class PageWanted:
    """Which page of a list is asked for; 0 and an empty text mean that nothing was said."""

    size: int = 0
    number: int = 0
    cursor: str = ""


class Webhooks:
    """The webhooks of one service: their endpoints, and the events that are announced to them."""

    def __init__(
        self,
        *,
        endpoints: EndpointStore,
        messages: MessageStore,
        seal: Seal,
        outbox: Outbox,
        cursors: Cursors,
        rules: Rules,
    ) -> None:
        self._endpoints = endpoints
        self._messages = messages
        self._seal = seal
        self._outbox = outbox
        self._cursors = cursors
        self._rules = rules

    async def announce(self, tx: Connection, owner_id: UUID, event: Event) -> None:
        """Send an event to every endpoint of an owner that wants it, once `tx` is committed.

        Written are a message and an outbox row per such endpoint, MAX_ENDPOINTS at most and mostly none.
        """
        if event.type not in self._rules.event_types:
            raise ValueError(f"{event.type} is none of the service's events")
        wanted = await self._endpoints.subscribed(tx, owner_id, event.type)
        body = event.body() if wanted else ""
        for endpoint_id in wanted:
            await self._send(tx, endpoint_id, event.type, body)

    async def create(
        self, tx: Connection, owner_id: UUID, *, url: str, events: tuple[str, ...], description: str, contact: str
    ) -> tuple[Endpoint, str]:
        """Make an endpoint, and give it with its secret, which nobody is shown again.

        Raises:
            InvalidFields: fields break their rules.
            LimitReached: the owner has MAX_ENDPOINTS of them.
        """
        endpoint = Endpoint.new(
            self._rules,
            id=uuid7(),
            owner_id=owner_id,
            now=datetime.now(UTC),
            url=url,
            events=events,
            description=description,
            contact=contact,
        )
        if await self._endpoints.count(tx, owner_id) >= MAX_ENDPOINTS:
            raise LimitReached(f"a person has at most {MAX_ENDPOINTS} webhooks")
        await self._endpoints.insert(tx, endpoint)
        return endpoint, await self._new_secret(tx, endpoint.id, endpoint.created_at)

    async def get(self, connection: Connection, endpoint_id: UUID, owner_id: UUID | None) -> Endpoint:
        """Give an endpoint of this owner (None: of anyone).

        Raises:
            EndpointNotFound: the owner has no such endpoint.
        """
        found = await self._endpoints.get(connection, endpoint_id, owner_id)
        if found is None:
            raise EndpointNotFound
        return found

    async def version(self, connection: Connection, endpoint_id: UUID, owner_id: UUID | None) -> int | None:
        """Give an endpoint's version without reading the rest, or None."""
        return await self._endpoints.get_version(connection, endpoint_id, owner_id)

    async def page(
        self, connection: Connection, reader: UUID, owner_id: UUID | None, wanted: PageWanted
    ) -> Page[Endpoint]:
        """Give a page of an owner's endpoints (None: of everyone's), the newest first, to one who may read them.

        Raises:
            InvalidFields: size or number is out of bounds.
            InvalidCursor: the cursor is another list's.
        """
        scope = f"webhooks {reader} {owner_id}"
        request = self._cursors.request(page_size=wanted.size, page=wanted.number, cursor=wanted.cursor, scope=scope)
        return await self._endpoints.page(connection, owner_id, request, self._cursors, scope)

    async def change(
        self,
        tx: Connection,
        endpoint_id: UUID,
        owner_id: UUID,
        changes: Mapping[str, Any],
        expected_version: int,
    ) -> Endpoint:
        """Change fields of an endpoint; enabling it again forgets its failures.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
            VersionMismatch: it has another version than the expected one (0: any).
            InvalidFields: fields break their rules.
        """
        endpoint = await self._for_change(tx, endpoint_id, owner_id, expected_version)
        changed = endpoint.changed(changes, datetime.now(UTC), self._rules)
        if changed is not endpoint:
            await self._endpoints.update(tx, changed)
        if changed.enabled and not endpoint.enabled:
            await self._endpoints.note_success(tx, endpoint_id)
        return changed

    async def delete(self, tx: Connection, endpoint_id: UUID, owner_id: UUID | None, expected_version: int) -> None:
        """Delete an endpoint of this owner (None: of anyone); nothing is sent to it any more.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
            VersionMismatch: it has another version than the expected one (0: any).
        """
        await self._for_change(tx, endpoint_id, owner_id, expected_version)
        await self._endpoints.delete(tx, endpoint_id, datetime.now(UTC))

    async def rotate(
        self,
        tx: Connection,
        endpoint_id: UUID,
        owner_id: UUID,
        overlap: timedelta = OVERLAP,
    ) -> tuple[str, datetime]:
        """Give an endpoint a new secret; the ones before it sign as well until the time that is given back.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
            InvalidFields: the overlap is not between nothing and MAX_OVERLAP.
            LimitReached: MAX_SECRETS would sign at once.
        """
        if not timedelta(0) <= overlap <= MAX_OVERLAP:
            raise InvalidFields.of([Violation("overlap", f"must be from 0 to {MAX_OVERLAP.days} days")])
        await self._for_change(tx, endpoint_id, owner_id, 0)
        now = datetime.now(UTC)
        until = now + overlap
        await self._endpoints.expire_secrets(tx, endpoint_id, until)
        if len(await self._endpoints.live_secrets(tx, endpoint_id, now)) >= MAX_SECRETS:
            raise LimitReached(f"{MAX_SECRETS} secrets sign already; let the old ones end at once by an overlap of 0")
        return await self._new_secret(tx, endpoint_id, now), until

    async def test(self, tx: Connection, endpoint_id: UUID, owner_id: UUID) -> UUID:
        """Send a `webhook.test` event to an endpoint, even a disabled one, and give the message's id.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
        """
        endpoint = await self.get(tx, endpoint_id, owner_id)
        event = Event(TEST_EVENT, datetime.now(UTC), {"webhook_id": endpoint.id, "version": endpoint.version})
        return await self._send(tx, endpoint_id, TEST_EVENT, event.body())

    async def replay(self, tx: Connection, endpoint_id: UUID, owner_id: UUID, message_id: UUID) -> None:
        """Send a message again under the same id, whatever became of it before, and at once.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
            MessageNotFound: the endpoint has no such message.
        """
        # Not locked: a worker locks the message first and then the endpoint.
        await self.get(tx, endpoint_id, owner_id)
        turn = await self._messages.restart(tx, message_id, endpoint_id, datetime.now(UTC))
        if turn is None:
            raise MessageNotFound
        await self._endpoints.rest(tx, endpoint_id, None)
        await schedule(self._outbox, tx, message_id, turn)

    async def attempts(
        self,
        connection: Connection,
        endpoint_id: UUID,
        owner_id: UUID,
        message_id: UUID | None,
        wanted: PageWanted,
    ) -> Page[Attempt]:
        """Give a page of the attempts at an endpoint, or at one message to it, the latest first.

        Raises:
            EndpointNotFound: the owner has no such endpoint.
            InvalidFields: size or number is out of bounds.
            InvalidCursor: the cursor is another list's.
        """
        scope = f"webhook attempts {endpoint_id} {message_id}"
        request = self._cursors.request(page_size=wanted.size, page=wanted.number, cursor=wanted.cursor, scope=scope)
        await self.get(connection, endpoint_id, owner_id)
        return await self._messages.attempts(connection, endpoint_id, message_id, request, self._cursors, scope)

    def sealed(self, secret: str, endpoint_id: UUID) -> str:
        """Seal a secret for a recorded reply, which lies in the database too."""
        return self._seal.seal(secret, endpoint_id).hex()

    def opened(self, sealed: str, endpoint_id: UUID) -> str:
        """Give back what `sealed` sealed."""
        return self._seal.open(bytes.fromhex(sealed), endpoint_id)

    async def _send(self, tx: Connection, endpoint_id: UUID, event_type: str, body: str) -> UUID:
        message_id = uuid7()
        await self._messages.insert_message(tx, message_id, endpoint_id, event_type, body, datetime.now(UTC))
        await schedule(self._outbox, tx, message_id, turn=1)
        return message_id

    async def _new_secret(self, tx: Connection, endpoint_id: UUID, now: datetime) -> str:
        secret = new_secret()
        await self._endpoints.insert_secret(tx, uuid7(), endpoint_id, self._seal.seal(secret, endpoint_id), now)
        return secret

    async def _for_change(
        self, tx: Connection, endpoint_id: UUID, owner_id: UUID | None, expected_version: int
    ) -> Endpoint:
        endpoint = await self._endpoints.get_for_change(tx, endpoint_id, owner_id)
        if endpoint is None:
            raise EndpointNotFound
        VersionMismatch.check("webhook", expected_version, endpoint.version)
        return endpoint
