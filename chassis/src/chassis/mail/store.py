"""All SQL on the tables of mails. Every moment is the database's own, since the clocks of workers differ."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Connection, statement
from chassis.mail.addresses import Address
from chassis.mail.tables import MailTables

WINDOW: Final = timedelta(hours=1)
"""The span of time that the limit per recipient is for."""
_FORGOTTEN_AT_ONCE: Final = 1_000


@dataclass(frozen=True)
class Suppression:
    """An address that a mail server refused for good, with its words."""

    address: str
    code: int
    reply: str
    created_at: datetime


class MailStore:
    """The tables of one service's mails."""

    def __init__(self, tables: MailTables) -> None:
        suppressions, slots = tables.suppressions, tables.slots
        address = suppressions.c.address == sa.bindparam("address", type_=sa.Text)
        recipient = sa.bindparam("recipient", type_=sa.LargeBinary)
        message_id = sa.bindparam("message_id", type_=sa.Uuid)
        window = sa.bindparam("span", type_=sa.Interval)
        now = sa.func.now()

        self._suppressed = statement(sa.select(suppressions.c.address).where(address), "SELECT mail_suppressions")
        self._suppress = statement(
            insert(suppressions)
            .values(
                address=sa.bindparam("address", type_=sa.Text),
                code=sa.bindparam("code", type_=sa.BigInteger),
                reply=sa.bindparam("reply", type_=sa.Text),
                created_at=now,
            )
            .on_conflict_do_nothing(index_elements=["address"]),
            "INSERT mail_suppressions",
        )
        self._lift = statement(sa.delete(suppressions).where(address), "DELETE mail_suppressions")
        self._list = statement(
            sa.select(suppressions).order_by(suppressions.c.created_at, suppressions.c.address),
            "SELECT mail_suppressions",
        )

        self._lock = statement(
            sa.select(sa.func.pg_advisory_xact_lock(sa.bindparam("number", type_=sa.BigInteger))), "LOCK recipient"
        )
        self._own = statement(
            sa.select(slots.c.slot_at, now.label("now")).where(slots.c.message_id == message_id), "SELECT mail_slots"
        )
        # The limit is kept if each slot lies a window after the one that is `limit` places before it.
        before = (
            sa.select(slots.c.slot_at)
            .where(slots.c.recipient == recipient)
            .order_by(slots.c.slot_at.desc())
            .limit(1)
            .offset(sa.bindparam("places", type_=sa.Integer))
            .scalar_subquery()
        )
        self._reserve = statement(
            insert(slots)
            .values(
                message_id=message_id,
                recipient=recipient,
                slot_at=sa.func.greatest(now, before + window),
            )
            .returning(slots.c.slot_at, now.label("now")),
            "INSERT mail_slots",
        )
        over = (
            sa.select(slots.c.message_id)
            .where(slots.c.slot_at < now - window)
            .order_by(slots.c.slot_at)
            .limit(_FORGOTTEN_AT_ONCE)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        self._forget = statement(sa.delete(slots).where(slots.c.message_id.in_(over)), "DELETE mail_slots")

    async def suppressed(self, connection: Connection, address: Address) -> bool:
        """Whether mail to this address has been given up."""
        return await connection.one(self._suppressed, address=address.key) is not None

    async def suppress(self, tx: Connection, address: Address, code: int, reply: str) -> None:
        """Give mail to this address up; `code` and `reply` are the mail server's."""
        await tx.execute(self._suppress, address=address.key, code=code, reply=reply)

    async def lift(self, connection: Connection, address: Address) -> bool:
        """Allow mail to this address again; say whether it was given up."""
        return bool(await connection.execute(self._lift, address=address.key))

    async def suppressions(self, connection: Connection) -> list[Suppression]:
        """Give the addresses that were given up, the oldest first."""
        return [Suppression(*row) for row in await connection.all(self._list)]

    async def slot(self, tx: Connection, message_id: UUID, to: Address, limit: int) -> datetime | None:
        """Give the time at which a message may be sent, None meaning now; the same however often it is asked.

        Of the messages to an address, at most `limit` have theirs within any hour. Each gets its own, so that what is
        beyond the limit waits once, and not again and again in a crowd.
        """
        # Of two messages to one address the second must see the first one's slot.
        await tx.one(self._lock, number=int.from_bytes(to.digest[:8], "big", signed=True))
        row = await tx.one(self._own, message_id=message_id) or await tx.one(
            self._reserve, message_id=message_id, recipient=to.digest, places=limit - 1, span=WINDOW
        )
        return row.slot_at if row.slot_at > row.now else None

    async def forget_slots(self, connection: Connection) -> int:
        """Remove some of the slots that no limit asks for any more; give how many, 0 when none are left."""
        return await connection.execute(self._forget, span=WINDOW)
