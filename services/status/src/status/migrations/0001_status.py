"""Components, events, incidents, maintenance, subscribers, the prober's counts, and what every service has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "status"
MOMENT = sa.DateTime(timezone=True)
TABLES = (
    "webhook_attempts",
    "watches",
    "status_events",
    "webhook_secrets",
    "webhook_messages",
    "incident_updates",
    "components",
    "webhook_endpoints",
    "subscribers",
    "schedule_runs",
    "outbox",
    "maintenances",
    "mail_suppressions",
    "mail_slots",
    "incidents",
    "idempotency_keys",
    "handled",
    "groups",
)


def upgrade() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_table(
        "handled",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("handled_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("handled_handled_at_idx", "handled", ["handled_at"], schema=SCHEMA)
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
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("impact", sa.Text, nullable=False),
        sa.Column("component_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("monitoring_at", MOMENT, nullable=True),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("impact IN ('none', 'minor', 'major', 'critical')", name="incidents_impact_check"),
        sa.CheckConstraint(
            "status IN ('investigating', 'identified', 'monitoring', 'resolved')", name="incidents_status_check"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("incidents_all_idx", "incidents", ["created_at", "id"], schema=SCHEMA, postgresql_where=None)
    op.create_index(
        "incidents_all_impact_idx", "incidents", ["impact", "created_at", "id"], schema=SCHEMA, postgresql_where=None
    )
    op.create_index(
        "incidents_open_idx",
        "incidents",
        ["created_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.create_index(
        "incidents_open_impact_idx",
        "incidents",
        ["impact", "created_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("status <> 'resolved'"),
    )
    op.create_index("incidents_status_idx", "incidents", ["status", "created_at", "id"], schema=SCHEMA)
    op.create_index("incidents_status_impact_idx", "incidents", ["status", "impact", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "mail_slots",
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("recipient", sa.LargeBinary, nullable=False),
        sa.Column("slot_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
        schema=SCHEMA,
    )
    op.create_index("mail_slots_recipient_idx", "mail_slots", ["recipient", "slot_at"], schema=SCHEMA)
    op.create_index("mail_slots_slot_at_idx", "mail_slots", ["slot_at"], schema=SCHEMA)
    op.create_table(
        "mail_suppressions",
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("code", sa.BigInteger, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("address"),
        schema=SCHEMA,
    )
    op.create_table(
        "maintenances",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("component_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("maintenances_ends_at_idx", "maintenances", ["ends_at"], schema=SCHEMA)
    op.create_index("maintenances_starts_at_idx", "maintenances", ["starts_at", "id"], schema=SCHEMA)
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("aggregate", sa.Text, nullable=True),
        sa.Column("traceparent", sa.Text, nullable=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.Uuid, nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("last_error", sa.Text, nullable=True),
        sa.Column("dead_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index(
        "outbox_aggregate_idx",
        "outbox",
        ["aggregate", "position"],
        schema=SCHEMA,
        postgresql_where=sa.text("aggregate IS NOT NULL AND dead_at IS NULL"),
    )
    op.create_index(
        "outbox_due_idx", "outbox", ["due_at", "position"], schema=SCHEMA, postgresql_where=sa.text("dead_at IS NULL")
    )
    op.create_table(
        "schedule_runs",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("job", "due_at", name="schedule_runs_pkey"),
        schema=SCHEMA,
    )
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email_key", name="subscribers_email_key_key"),
        schema=SCHEMA,
    )
    op.create_index(
        "subscribers_confirmed_idx",
        "subscribers",
        ["id"],
        schema=SCHEMA,
        postgresql_where=sa.text("confirmed_at IS NOT NULL"),
    )
    op.create_index("subscribers_created_at_idx", "subscribers", ["created_at", "id"], schema=SCHEMA)
    op.create_index(
        "subscribers_pending_idx",
        "subscribers",
        ["asked_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("confirmed_at IS NULL"),
    )
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Uuid, nullable=False),
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
        sa.Column("resting_until", MOMENT, nullable=True),
        sa.Column("deleted_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "disabled_reason IN ('owner', 'failing', 'gone')", name="webhook_endpoints_disabled_reason_check"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index(
        "webhook_endpoints_deleted_idx",
        "webhook_endpoints",
        ["deleted_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index("webhook_endpoints_owner_idx", "webhook_endpoints", ["owner_id", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "components",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("group_id", sa.Uuid, nullable=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["status.groups.id"], name="components_group_id_fkey", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug", name="components_slug_key"),
        schema=SCHEMA,
    )
    op.create_index("components_created_at_idx", "components", ["created_at", "id"], schema=SCHEMA)
    op.create_index("components_group_idx", "components", ["group_id", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "incident_updates",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("incident_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_by", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('investigating', 'identified', 'monitoring', 'resolved')", name="incident_updates_status_check"
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["status.incidents.id"], name="incident_updates_incident_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index(
        "incident_updates_incident_idx", "incident_updates", ["incident_id", "created_at", "id"], schema=SCHEMA
    )
    op.create_table(
        "webhook_messages",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("turn", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="webhook_messages_state_check"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["status.webhook_endpoints.id"],
            name="webhook_messages_endpoint_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("webhook_messages_endpoint_idx", "webhook_messages", ["endpoint_id"], schema=SCHEMA)
    op.create_index("webhook_messages_updated_at_idx", "webhook_messages", ["updated_at"], schema=SCHEMA)
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["status.webhook_endpoints.id"],
            name="webhook_secrets_endpoint_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("webhook_secrets_endpoint_idx", "webhook_secrets", ["endpoint_id"], schema=SCHEMA)
    op.create_table(
        "status_events",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("component_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("incident_id", sa.Uuid, nullable=True),
        sa.Column("created_by", sa.Uuid, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("source IN ('person', 'prober', 'system')", name="status_events_source_check"),
        sa.CheckConstraint(
            "status IN ('operational', 'degraded', 'partial_outage', 'major_outage', 'maintenance')",
            name="status_events_status_check",
        ),
        sa.ForeignKeyConstraint(
            ["component_id"], ["status.components.id"], name="status_events_component_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index("status_events_component_idx", "status_events", ["component_id", "created_at", "id"], schema=SCHEMA)
    op.create_index(
        "status_events_component_status_idx",
        "status_events",
        ["component_id", "status", "created_at", "id"],
        schema=SCHEMA,
    )
    op.create_index("status_events_created_at_idx", "status_events", ["created_at", "id"], schema=SCHEMA)
    op.create_index("status_events_status_idx", "status_events", ["status", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "watches",
        sa.Column("component_id", sa.Uuid, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("successes", sa.BigInteger, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["component_id"], ["status.components.id"], name="watches_component_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("component_id"),
        schema=SCHEMA,
    )
    op.create_table(
        "webhook_attempts",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("endpoint_id", sa.Uuid, nullable=False),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.BigInteger, nullable=True),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("response_excerpt", sa.Text, nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["status.webhook_messages.id"], name="webhook_attempts_message_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
        schema=SCHEMA,
    )
    op.create_index(
        "webhook_attempts_endpoint_idx", "webhook_attempts", ["endpoint_id", "started_at", "id"], schema=SCHEMA
    )
    op.create_index(
        "webhook_attempts_message_idx", "webhook_attempts", ["message_id", "started_at", "id"], schema=SCHEMA
    )


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)
