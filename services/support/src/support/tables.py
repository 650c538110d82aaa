"""The tables of the support schema; the migrations lead here, which a test proves."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from chassis import idempotency, search
from chassis.jobs import tables
from chassis.mail import tables as mail

metadata = sa.MetaData(schema="support")

MOMENT: Final = sa.DateTime(timezone=True)

NOBODY: Final = UUID(int=0)
"""The assignee of a ticket that has none: an index can walk in order behind a value, but not behind NULL."""

NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""When nothing is due; likewise."""

ORDERS: Final = ("created_at", "updated_at", "priority", "due_at")

SEARCH: Final = f"{search.document('title', 'body')} || {search.marks(*search.block_marks('number'))}"

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("priority", sa.SmallInteger, nullable=False),
    sa.Column("requester_id", sa.Uuid, nullable=False),
    sa.Column("assignee_id", sa.Uuid, nullable=False),
    sa.Column("labels", ARRAY(sa.Text), nullable=False),
    sa.Column("contact_email", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("first_response_due_at", MOMENT, nullable=False),
    sa.Column("first_responded_at", MOMENT),
    sa.Column("first_response_breached", sa.Boolean, nullable=False),
    sa.Column("resolution_within", sa.Interval, nullable=False),
    sa.Column("run_before", sa.Interval, nullable=False),
    sa.Column("running_since", MOMENT),
    sa.Column("solved_at", MOMENT),
    sa.Column("resolution_breached", sa.Boolean, nullable=False),
    sa.Column("due_at", MOMENT, nullable=False),
    # Whether `due_at` was past when the row was last written, and when the next target is missed: the job that notes
    # missed targets follows the clock.
    sa.Column("overdue", sa.Boolean, nullable=False),
    sa.Column("breach_at", MOMENT, nullable=False),
    sa.CheckConstraint("status IN ('open', 'pending', 'solved', 'closed')", name="tickets_status_check"),
    sa.CheckConstraint("priority BETWEEN 1 AND 4", name="tickets_priority_check"),
    # A list walks one of these, or the four values of what its filter leaves open (see store.tickets).
    *(
        index
        for column in ORDERS
        for index in (
            sa.Index(f"tickets_{column}_idx", column, "id"),
            sa.Index(f"tickets_requester_{column}_idx", "requester_id", column, "id"),
            sa.Index(f"tickets_assignee_status_{column}_idx", "assignee_id", "status", column, "id"),
        )
    ),
    *(
        sa.Index(f"tickets_status_priority_{column}_idx", "status", "priority", column, "id")
        for column in ("created_at", "updated_at", "due_at")
    ),
    sa.Index("tickets_status_priority_idx", "status", "priority", "id"),
    *(
        sa.Index(f"tickets_overdue_{column}_idx", column, "id", postgresql_where=sa.text("overdue"))
        for column in ORDERS
    ),
    sa.Index("tickets_breach_at_idx", "breach_at"),
    sa.Index("tickets_labels_idx", "labels", postgresql_using="gin"),
)

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "ticket_id",
        sa.Uuid,
        sa.ForeignKey("support.tickets.id", name="messages_ticket_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column("from_agent", sa.Boolean, nullable=False),
    sa.Column("internal", sa.Boolean, nullable=False),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    # The ticket's subject on its first message, so that one search covers both; empty on all others.
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("search", TSVECTOR, sa.Computed(SEARCH, persisted=True), nullable=False),
    sa.UniqueConstraint("number", name="messages_number_key"),
    sa.Index("messages_ticket_id_idx", "ticket_id", "created_at", "id"),
    sa.Index("messages_public_idx", "ticket_id", "created_at", "id", postgresql_where=sa.text("NOT internal")),
    sa.Index("messages_search_idx", "search", postgresql_using="gin"),
)

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "ticket_id",
        sa.Uuid,
        sa.ForeignKey("support.tickets.id", name="attachments_ticket_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column(
        "message_id",
        sa.Uuid,
        sa.ForeignKey("support.messages.id", name="attachments_message_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("internal", sa.Boolean, nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Index("attachments_message_id_idx", "message_id", "created_at", "id"),
    sa.Index("attachments_ticket_id_idx", "ticket_id"),
)

# Taken while the ticket's row is held, so that within a ticket numbers grow in the order of the commits.
numbers = sa.Sequence("history_numbers", metadata=metadata)
_NUMBER: Final = sa.text("nextval('support.history_numbers'::regclass)")  # as PostgreSQL writes it

# Append-only: a trigger refuses every UPDATE, and every DELETE but that of a whole ticket.
history = sa.Table(
    "history",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "ticket_id",
        sa.Uuid,
        sa.ForeignKey("support.tickets.id", name="history_ticket_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Uuid),
    sa.Column("changes", JSONB, nullable=False),
    sa.Column("message_id", sa.Uuid),
    sa.Column("internal", sa.Boolean, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    # None on what was written before there were any.
    sa.Column("number", sa.BigInteger, server_default=_NUMBER),
    sa.Index("history_number_idx", "ticket_id", "number"),
    sa.Index("history_ticket_id_idx", "ticket_id", "created_at", "id"),
    sa.Index("history_public_idx", "ticket_id", "created_at", "id", postgresql_where=sa.text("NOT internal")),
)

canned_replies = sa.Table(
    "canned_replies",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    # Compared by code point: the same order on every machine, whatever its locales.
    sa.Column("title", sa.Text(collation="C"), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index("canned_replies_title_idx", "title", "id"),
)

idempotency_keys = idempotency.table(metadata)
job_tables = tables.job_tables(metadata)
mail_tables = mail.mail_tables(metadata)
