"""The two tables that every service which sends mail has in its schema."""

from dataclasses import dataclass

import sqlalchemy as sa

MOMENT = sa.DateTime(timezone=True)


@dataclass(frozen=True)
class MailTables:
    """The tables of a service's mails, in its schema."""

    suppressions: sa.Table
    slots: sa.Table


def mail_tables(metadata: sa.MetaData) -> MailTables:
    """Give the tables of the mails of the service whose tables `metadata` describes."""
    suppressions = sa.Table(
        "mail_suppressions",
        metadata,
        # Address.key, in the clear so that an operator can find and lift it.
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("code", sa.BigInteger, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    slots = sa.Table(
        "mail_slots",
        metadata,
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("recipient", sa.LargeBinary, nullable=False),  # Address.digest
        sa.Column("slot_at", MOMENT, nullable=False),
        sa.Index("mail_slots_recipient_idx", "recipient", "slot_at"),
        sa.Index("mail_slots_slot_at_idx", "slot_at"),
    )
    return MailTables(suppressions, slots)
