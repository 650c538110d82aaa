"""A message being handled, as its job sees it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from chassis.database import Connection
from chassis.house import House
from chassis.jobs.store import JobStore, Message
from chassis.settings import ServiceSettings

S_co = TypeVar("S_co", bound=ServiceSettings, covariant=True)

SUCCEEDED = "succeeded"


class LeaseLost(Exception):
    """The lease ran out (this process stood still) and the message is another worker's, or handled already."""


class Work(Generic[S_co]):
    """One attempt at a message.

    A job whose effect is in the database commits it together with the message:

        async with work.finish() as tx:
            await store.archive(tx, work.payload["project_id"])

    A job that calls something outside does so first, with no transaction open meanwhile, and then finishes:

        await send(mail, message_id=work.id)
        async with work.finish() as tx:
            await store.sent(tx, work.payload["mail_id"])

    A job that returns without having finished is finished by the chassis. What is committed in `finish` happens exactly
    once; a call to the outside can happen again when the process dies between it and `finish`, so give it `work.id`,
    the same for each attempt, to tell repetitions by.
    """

    def __init__(self, message: Message, house: House[S_co], store: JobStore, *, periodic: bool) -> None:
        self.house = house
        self.finished = False
        self._message = message
        self._store = store
        self._periodic = periodic

    @property
    def id(self) -> UUID:
        """The message's id, the same for every attempt."""
        return self._message.id

    @property
    def kind(self) -> str:
        """The job's kind."""
        return self._message.kind

    @property
    def payload(self) -> Mapping[str, Any]:
        """What was given to `Outbox.put`."""
        return self._message.payload

    @property
    def aggregate(self) -> str | None:
        """What was given to `Outbox.put`."""
        return self._message.aggregate

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1; attempts that ended with their process count."""
        return self._message.attempt

    @property
    def created_at(self) -> datetime:
        """When the cause was committed, about."""
        return self._message.created_at

    @contextlib.asynccontextmanager
    async def finish(self) -> AsyncIterator[Connection]:
        """Open the transaction in which the message becomes handled, for the job's own effect to join.

        Raises:
            LeaseLost: the message is not this worker's any more; nothing may happen.
        """
        async with self.house.database.transaction() as tx:
            if not await self._store.finish(tx, self._message):
                raise LeaseLost(f"{self.kind} {self.id}")
            if self._periodic:
                due_at = datetime.fromisoformat(self.payload["due_at"])
                await self._store.runs.end(tx, self.kind, due_at, SUCCEEDED, None)
            if self.aggregate is not None:
                tx.after_commit(self.house.outbox.ring)  # the next of the aggregate can go
            yield tx
        self.finished = True
