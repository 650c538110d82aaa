"""Having a message's turn taken by a worker: the outbox rows of attempts."""

from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.database import Connection
from chassis.jobs.outbox import Outbox

DELIVER: Final = "webhook.deliver"
"""The kind of these rows; see `Deliveries`."""


async def schedule(outbox: Outbox, tx: Connection, message_id: UUID, turn: int, due_at: datetime | None = None) -> None:
    """Have a message's turn taken once `tx` is committed, at once or at `due_at`."""
    await outbox.put(tx, DELIVER, {"message_id": str(message_id), "turn": turn}, due_at=due_at)
