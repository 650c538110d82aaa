"""The tables of webhooks; a service that sends webhooks has them in its schema."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from chassis.database import Statement, statement

_MOMENT = sa.DateTime(timezone=True)


@dataclass(frozen=True)
class Tables:
    """Endpoints, their sealed secrets, the messages to them and every attempt at each."""

    endpoints: sa.Table
    secrets: sa.Table
    messages: sa.Table
    attempts: sa.Table


def tables(metadata: sa.MetaData) -> Tables:
    """Make the tables in a service's schema."""
    return Tables(_endpoints(metadata), _secrets(metadata), _messages(metadata), _attempts(metadata))


def insertion(table: sa.Table) -> Statement:
    """The statement that stores one row, every column given."""
    values = {column.name: sa.bindparam(column.name, type_=column.type) for column in table.c}
    return statement(sa.insert(table).values(values), f"INSERT {table.name}")


def _endpoints(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "webhook_endpoints",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", ARRAY(sa.Text), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", sa.Text, nullable=True),
        sa.Column("disabled_at", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        # How it fares: of no concern to the version, which is what its owner sees.
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("failing_since", _MOMENT, nullable=True),
        sa.Column("resting_until", _MOMENT, nullable=True),
        # A deleted endpoint vanishes at once and its messages in bounded batches later.
        sa.Column("deleted_at", _MOMENT, nullable=True),
        sa.CheckConstraint(
            "disabled_reason IN ('owner', 'failing', 'gone')", name="webhook_endpoints_disabled_reason_check"
        ),
        sa.Index("webhook_endpoints_owner_idx", "owner_id", "created_at", "id"),
        sa.Index("webhook_endpoints_live_idx", "created_at", "id", postgresql_where=sa.text("deleted_at IS NULL")),
        sa.Index("webhook_endpoints_deleted_idx", "deleted_at", postgresql_where=sa.text("deleted_at IS NOT NULL")),
    )


def _secrets(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "webhook_secrets",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, _reference(metadata, "webhook_secrets", "endpoint"), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Index("webhook_secrets_endpoint_idx", "endpoint_id"),
    )


def _messages(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "webhook_messages",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, _reference(metadata, "webhook_messages", "endpoint"), nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="webhook_messages_state_check"),
        sa.Index("webhook_messages_endpoint_idx", "endpoint_id"),
        sa.Index("webhook_messages_updated_at_idx", "updated_at"),
    )


def _attempts(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        "webhook_attempts",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.Uuid, _reference(metadata, "webhook_attempts", "message"), nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("response_excerpt", sa.Text, nullable=False),
        sa.Column("next_attempt_at", _MOMENT, nullable=True),
        sa.Index("webhook_attempts_endpoint_idx", "endpoint_id", "started_at", "id"),
        sa.Index("webhook_attempts_message_idx", "message_id", "started_at", "id"),
    )


def _reference(metadata: sa.MetaData, table: str, of: str) -> sa.ForeignKey:
    return sa.ForeignKey(f"{metadata.schema}.webhook_{of}s.id", name=f"{table}_{of}_id_fkey", ondelete="CASCADE")
