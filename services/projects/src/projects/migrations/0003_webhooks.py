"""Webhook endpoints, their sealed secrets, the messages to them and every attempt at each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "projects"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", ARRAY(sa.Text), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=True),
        sa.Column("disabled_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "disabled_reason IN ('owner', 'failing', 'gone')", name="webhook_endpoints_disabled_reason_check"
        ),
        schema=SCHEMA,
    )
    op.create_index("webhook_endpoints_owner_idx", "webhook_endpoints", ["owner_id", "created_at", "id"], schema=SCHEMA)
    op.create_index(
        "webhook_endpoints_deleted_idx",
        "webhook_endpoints",
        ["deleted_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        _reference("webhook_secrets", "endpoint"),
        schema=SCHEMA,
    )
    op.create_index("webhook_secrets_endpoint_idx", "webhook_secrets", ["endpoint_id"], schema=SCHEMA)
    op.create_table(
        "webhook_messages",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        _reference("webhook_messages", "endpoint"),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="webhook_messages_state_check"),
        schema=SCHEMA,
    )
    op.create_index("webhook_messages_endpoint_idx", "webhook_messages", ["endpoint_id"], schema=SCHEMA)
    op.create_index("webhook_messages_updated_at_idx", "webhook_messages", ["updated_at"], schema=SCHEMA)
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("response_excerpt", sa.Text, nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=True),
        _reference("webhook_attempts", "message"),
        schema=SCHEMA,
    )
    for of in ("endpoint", "message"):
        op.create_index(
            f"webhook_attempts_{of}_idx", "webhook_attempts", [f"{of}_id", "started_at", "id"], schema=SCHEMA
        )


def downgrade() -> None:
    for table in ("attempts", "messages", "secrets", "endpoints"):
        op.drop_table(f"webhook_{table}", schema=SCHEMA)


def _reference(table: str, of: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [f"{of}_id"], [f"{SCHEMA}.webhook_{of}s.id"], name=f"{table}_{of}_id_fkey", ondelete="CASCADE"
    )
