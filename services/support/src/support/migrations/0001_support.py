"""Tickets, messages, attachments, history, canned replies, and the recorded replies of keyed writes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "support"
MOMENT = sa.DateTime(timezone=True)
BLOCKS = ", ".join(f"'@{level}:' || (number >> {level})" for level in (10, 12, 14, 16, 18, 20, 22, 24))
SEARCH = f"to_tsvector('simple'::regconfig, title || ' ' || body) || array_to_tsvector(ARRAY[{BLOCKS}])"


def upgrade() -> None:
    create_tickets()
    create_threads()
    create_history()
    op.create_table(
        "canned_replies",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("title", sa.Text(collation="C"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("canned_replies_title_idx", "canned_replies", ["title", "id"], schema=SCHEMA)
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "key", name="idempotency_keys_pkey"),
        schema=SCHEMA,
    )
    op.create_index("idempotency_keys_expires_at_idx", "idempotency_keys", ["expires_at"], schema=SCHEMA)


def create_tickets() -> None:
    op.create_table(
        "tickets",
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
        sa.Column("overdue", sa.Boolean, nullable=False),
        sa.Column("breach_at", MOMENT, nullable=False),
        sa.CheckConstraint("status IN ('open', 'pending', 'solved', 'closed')", name="tickets_status_check"),
        sa.CheckConstraint("priority BETWEEN 1 AND 4", name="tickets_priority_check"),
        schema=SCHEMA,
    )
    for column in ("created_at", "updated_at", "priority", "due_at"):
        op.create_index(f"tickets_{column}_idx", "tickets", [column, "id"], schema=SCHEMA)
        op.create_index(f"tickets_requester_{column}_idx", "tickets", ["requester_id", column, "id"], schema=SCHEMA)
        op.create_index(
            f"tickets_assignee_status_{column}_idx", "tickets", ["assignee_id", "status", column, "id"], schema=SCHEMA
        )
    for column in ("created_at", "updated_at", "due_at"):
        op.create_index(
            f"tickets_status_priority_{column}_idx", "tickets", ["status", "priority", column, "id"], schema=SCHEMA
        )
    op.create_index("tickets_status_priority_idx", "tickets", ["status", "priority", "id"], schema=SCHEMA)
    for column in ("created_at", "updated_at", "priority", "due_at"):
        op.create_index(
            f"tickets_overdue_{column}_idx",
            "tickets",
            [column, "id"],
            schema=SCHEMA,
            postgresql_where=sa.text("overdue"),
        )
    op.create_index("tickets_breach_at_idx", "tickets", ["breach_at"], schema=SCHEMA)
    op.create_index("tickets_labels_idx", "tickets", ["labels"], schema=SCHEMA, postgresql_using="gin")


def create_threads() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("ticket_id", sa.Uuid, nullable=False),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("from_agent", sa.Boolean, nullable=False),
        sa.Column("internal", sa.Boolean, nullable=False),
        sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("search", TSVECTOR, sa.Computed(SEARCH, persisted=True), nullable=False),
        sa.UniqueConstraint("number", name="messages_number_key"),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["support.tickets.id"], name="messages_ticket_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    in_order = ["ticket_id", "created_at", "id"]
    public = sa.text("NOT internal")
    op.create_index("messages_ticket_id_idx", "messages", in_order, schema=SCHEMA)
    op.create_index("messages_public_idx", "messages", in_order, schema=SCHEMA, postgresql_where=public)
    op.create_index("messages_search_idx", "messages", ["search"], schema=SCHEMA, postgresql_using="gin")
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("ticket_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("internal", sa.Boolean, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["support.tickets.id"], name="attachments_ticket_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["support.messages.id"], name="attachments_message_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_index("attachments_message_id_idx", "attachments", ["message_id", "created_at", "id"], schema=SCHEMA)
    op.create_index("attachments_ticket_id_idx", "attachments", ["ticket_id"], schema=SCHEMA)


def create_history() -> None:
    op.create_table(
        "history",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("ticket_id", sa.Uuid, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("changes", JSONB, nullable=False),
        sa.Column("message_id", sa.Uuid),
        sa.Column("internal", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["support.tickets.id"], name="history_ticket_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    in_order = ["ticket_id", "created_at", "id"]
    op.create_index("history_ticket_id_idx", "history", in_order, schema=SCHEMA)
    public = sa.text("NOT internal")
    op.create_index("history_public_idx", "history", in_order, schema=SCHEMA, postgresql_where=public)
    op.execute(
        "CREATE FUNCTION support.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN "
        "IF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM support.tickets WHERE id = OLD.ticket_id) "
        "THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION 'the history is append-only'; "
        "END $$"
    )
    op.execute(
        "CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE ON support.history "
        "FOR EACH ROW EXECUTE FUNCTION support.refuse_rewriting()"
    )


def downgrade() -> None:
    for table in ("idempotency_keys", "canned_replies", "history", "attachments", "messages", "tickets"):
        op.drop_table(table, schema=SCHEMA)
    op.execute("DROP FUNCTION support.refuse_rewriting()")
