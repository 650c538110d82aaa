"""The SQL of messages to webhook endpoints and of the attempts at them, over the tables of one service."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa

from chassis.database import Connection, Statement, statement
from chassis.paging import Cursors, Listing, Order, Page, PageRequest
from chassis.webhooks.model import Attempt, Message, MessageState
from chassis.webhooks.tables import Tables, insertion

LATEST: Final = Order("-started_at", ("started_at", "id"), descending=True)

_PENDING: Final = MessageState.PENDING.value


class MessageStore:
    """The messages of one service, in its schema."""

    def __init__(self, tables: Tables) -> None:
        self._messages(tables)
        self._attempts(tables)
        self._purges(tables)

    def _messages(self, tables: Tables) -> None:
        messages, endpoints = tables.messages, tables.endpoints
        id_ = messages.c.id == sa.bindparam("id", type_=sa.Uuid)
        now = sa.bindparam("now", type_=messages.c.updated_at.type)
        self._insert_message = insertion(messages)
        self._due = statement(
            sa.select(
                messages.c.id,
                messages.c.endpoint_id,
                messages.c.event_type,
                messages.c.body,
                messages.c.created_at,
                messages.c.turn,
                messages.c.attempts,
                endpoints.c.owner_id,
                endpoints.c.url,
                endpoints.c.contact,
                endpoints.c.enabled,
                endpoints.c.resting_until,
            )
            .join(endpoints, endpoints.c.id == messages.c.endpoint_id)
            .where(
                id_,
                messages.c.turn == sa.bindparam("turn", type_=sa.BigInteger),
                messages.c.state == sa.literal_column(f"'{_PENDING}'"),
                endpoints.c.deleted_at.is_(None),
            ),
            "SELECT webhook_messages",
        )
        self._conclude = statement(
            sa.update(messages)
            .where(
                id_,
                messages.c.turn == sa.bindparam("old_turn", type_=sa.BigInteger),
                messages.c.state == sa.literal_column(f"'{_PENDING}'"),
            )
            .values(
                state=sa.bindparam("new_state", type_=sa.Text),
                turn=messages.c.turn + 1,
                attempts=messages.c.attempts + 1,
                updated_at=now,
            ),
            "UPDATE webhook_messages",
        )
        self._restart = statement(
            sa.update(messages)
            .where(id_, messages.c.endpoint_id == sa.bindparam("of_endpoint", type_=sa.Uuid))
            .values(
                state=sa.literal_column(f"'{_PENDING}'"),
                turn=messages.c.turn + 1,
                attempts=sa.literal_column("0"),
                updated_at=now,
            )
            .returning(messages.c.turn),
            "UPDATE webhook_messages",
        )

    async def insert_message(
        self,
        tx: Connection,
        message_id: UUID,
        endpoint_id: UUID,
        event_type: str,
        body: str,
        now: datetime,
    ) -> None:
        """Store a message whose first attempt is due."""
        await tx.execute(
            self._insert_message,
            id=message_id,
            endpoint_id=endpoint_id,
            event_type=event_type,
            body=body,
            state=_PENDING,
            turn=1,
            attempts=0,
            created_at=now,
            updated_at=now,
        )

    async def due(self, connection: Connection, message_id: UUID, turn: int) -> Message | None:
        """Give a message if this turn is still to be taken, else None."""
        row = await connection.one(self._due, id=message_id, turn=turn)
        return Message(**row._asdict()) if row else None

    async def conclude(self, tx: Connection, message: Message, state: MessageState, now: datetime) -> bool:
        """Note that a turn was taken; say whether it was still to be taken."""
        parameters: dict[str, Any] = {"id": message.id, "old_turn": message.turn}
        return bool(await tx.execute(self._conclude, **parameters, new_state=state.value, now=now))

    async def restart(self, tx: Connection, message_id: UUID, endpoint_id: UUID, now: datetime) -> int | None:
        """Make a message due from its first attempt on; give the turn, or None if there is no such."""
        row = await tx.one(self._restart, id=message_id, of_endpoint=endpoint_id, now=now)
        return row.turn if row else None

    def _attempts(self, tables: Tables) -> None:
        attempts = tables.attempts
        self._insert_attempt = insertion(attempts)
        of_endpoint = sa.select(*attempts.c).where(attempts.c.endpoint_id == sa.bindparam("endpoint_id", type_=sa.Uuid))
        of_message = of_endpoint.where(attempts.c.message_id == sa.bindparam("message_id", type_=sa.Uuid))
        self._list_attempts = Listing([of_endpoint], LATEST, "webhook_attempts")
        self._list_attempts_of_message = Listing([of_message], LATEST, "webhook_attempts")

    async def insert_attempt(self, tx: Connection, attempt: Attempt) -> None:
        """Store an attempt."""
        await tx.execute(self._insert_attempt, **vars(attempt))

    async def attempts(
        self,
        connection: Connection,
        endpoint_id: UUID,
        message_id: UUID | None,
        request: PageRequest,
        cursors: Cursors,
        scope: str,
    ) -> Page[Attempt]:
        """Give one page of the attempts at an endpoint, or at one message to it, the latest first."""
        parameters: dict[str, Any] = {"endpoint_id": endpoint_id}
        listing = self._list_attempts
        if message_id:
            parameters["message_id"] = message_id
            listing = self._list_attempts_of_message
        found = await listing.page(connection, request, cursors, scope, **parameters)
        return found.of([Attempt(**row._asdict()) for row in found.rows])

    def _purges(self, tables: Tables) -> None:
        endpoints, messages, secrets = tables.endpoints, tables.messages, tables.secrets
        before = sa.bindparam("before", type_=sa.DateTime(timezone=True))
        gone = sa.select(endpoints.c.id).where(endpoints.c.deleted_at.is_not(None))
        old = sa.and_(messages.c.updated_at < before, messages.c.state != sa.literal_column(f"'{_PENDING}'"))
        childless = ~sa.exists().where(messages.c.endpoint_id == endpoints.c.id)
        self._purge_steps = (
            _purge(messages, old),
            _purge(messages, messages.c.endpoint_id.in_(gone)),
            _purge(endpoints, sa.and_(endpoints.c.deleted_at.is_not(None), childless)),
        )
        self._purge_secrets = _purge(secrets, secrets.c.expires_at < before)

    async def purge(self, tx: Connection, *, before: datetime, now: datetime, limit: int) -> int:
        """Remove up to `limit` rows of each kind that are over; give how many went, 0 when nothing is left.

        Over are messages (with their attempts) that nothing happened to since `before`, unless another attempt is due,
        what belonged to deleted endpoints, those themselves, and secrets that ended.
        """
        removed = [await tx.execute(step, before=before, most=limit) for step in self._purge_steps]
        return sum(removed) + await tx.execute(self._purge_secrets, before=now, most=limit)


def _purge(table: sa.Table, over: sa.ColumnElement[bool]) -> Statement:
    """A bounded removal that waits for nobody: what others work on is left for the next time."""
    most = sa.bindparam("most", type_=sa.BigInteger)
    chosen = sa.select(table.c.id).where(over).limit(most).with_for_update(skip_locked=True, of=table)
    return statement(sa.delete(table).where(table.c.id.in_(chosen)), f"DELETE {table.name}")
