"""Telling somebody that an endpoint was disabled."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chassis.database import Connection
from chassis.jobs.outbox import Outbox
from chassis.webhooks.model import DisabledReason


@dataclass(frozen=True)
class Disabled:
    """An endpoint that was disabled: whom to tell, where its URL leads (without its path, which may be secret), why."""

    endpoint_id: UUID
    contact: str
    origin: str
    reason: DisabledReason


class Notify(Protocol):
    """Tells the contact of an endpoint that it was disabled."""

    async def __call__(self, tx: Connection, outbox: Outbox, disabled: Disabled) -> None:
        """Have it told once `tx` is committed."""
