"""The tables of the status schema; the migrations lead here, which a test proves."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis import idempotency
from chassis.jobs import tables
from chassis.mail.tables import mail_tables as tables_of_mail
from chassis.webhooks import tables as webhooks

metadata = sa.MetaData(schema="status")
MOMENT = sa.DateTime(timezone=True)

_STATUSES = "('operational', 'degraded', 'partial_outage', 'major_outage', 'maintenance')"
_PROGRESS = "('investigating', 'identified', 'monitoring', 'resolved')"

groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("name", sa.Text(collation="C"), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

components = sa.Table(
    "components",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False),
    # Compared by code point: the same order on every machine, whatever its locales.
    sa.Column("name", sa.Text(collation="C"), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column(
        "group_id", sa.Uuid, sa.ForeignKey("status.groups.id", name="components_group_id_fkey", ondelete="SET NULL")
    ),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("slug", name="components_slug_key"),
    sa.Index("components_created_at_idx", "created_at", "id"),
    sa.Index("components_group_idx", "group_id", "created_at", "id"),
)

status_events = sa.Table(
    "status_events",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "component_id",
        sa.Uuid,
        sa.ForeignKey("status.components.id", name="status_events_component_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("incident_id", sa.Uuid),
    sa.Column("created_by", sa.Uuid),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.CheckConstraint(f"status IN {_STATUSES}", name="status_events_status_check"),
    sa.CheckConstraint("source IN ('person', 'prober', 'system')", name="status_events_source_check"),
    # A list walks one of these: by neither, one or both of the filters.
    sa.Index("status_events_created_at_idx", "created_at", "id"),
    sa.Index("status_events_status_idx", "status", "created_at", "id"),
    sa.Index("status_events_component_idx", "component_id", "created_at", "id"),
    sa.Index("status_events_component_status_idx", "component_id", "status", "created_at", "id"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("impact", sa.Text, nullable=False),
    # No references: an incident remembers what it was about when a component is gone.
    sa.Column("component_ids", ARRAY(sa.Uuid), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("monitoring_at", MOMENT),
    sa.Column("resolved_at", MOMENT),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.CheckConstraint(f"status IN {_PROGRESS}", name="incidents_status_check"),
    sa.CheckConstraint("impact IN ('none', 'minor', 'major', 'critical')", name="incidents_impact_check"),
    # A list walks one of these, whatever it is filtered by.
    *(
        sa.Index(f"incidents_{name}_idx", *columns, "created_at", "id", postgresql_where=where)
        for suffix, where in (("all", None), ("open", sa.text("status <> 'resolved'")))
        for name, columns in (
            (suffix, ()),
            (f"{suffix}_impact", ("impact",)),
        )
    ),
    sa.Index("incidents_status_idx", "status", "created_at", "id"),
    sa.Index("incidents_status_impact_idx", "status", "impact", "created_at", "id"),
)

incident_updates = sa.Table(
    "incident_updates",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "incident_id",
        sa.Uuid,
        sa.ForeignKey("status.incidents.id", name="incident_updates_incident_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_by", sa.Uuid, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    # A default, for what the release before writes.
    sa.Column("turns", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb")),
    sa.CheckConstraint(f"status IN {_PROGRESS}", name="incident_updates_status_check"),
    sa.Index("incident_updates_incident_idx", "incident_id", "created_at", "id"),
)

maintenances = sa.Table(
    "maintenances",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("component_ids", ARRAY(sa.Uuid), nullable=False),
    sa.Column("starts_at", MOMENT, nullable=False),
    sa.Column("ends_at", MOMENT, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index("maintenances_starts_at_idx", "starts_at", "id"),
    # Those that are open or to come are those whose end is.
    sa.Index("maintenances_ends_at_idx", "ends_at"),
)

subscribers = sa.Table(
    "subscribers",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("asked_at", MOMENT, nullable=False),
    sa.Column("confirmed_at", MOMENT),
    sa.UniqueConstraint("email_key", name="subscribers_email_key_key"),
    sa.Index("subscribers_created_at_idx", "created_at", "id"),
    sa.Index("subscribers_confirmed_idx", "id", postgresql_where=sa.text("confirmed_at IS NOT NULL")),
    sa.Index("subscribers_pending_idx", "asked_at", postgresql_where=sa.text("confirmed_at IS NULL")),
)

watches = sa.Table(
    "watches",
    metadata,
    sa.Column(
        "component_id",
        sa.Uuid,
        sa.ForeignKey("status.components.id", name="watches_component_id_fkey", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("failures", sa.BigInteger, nullable=False),
    sa.Column("successes", sa.BigInteger, nullable=False),
    sa.Column("seen_at", MOMENT, nullable=False),
)

idempotency_keys = idempotency.table(metadata)
job_tables = tables.job_tables(metadata)
webhook_tables = webhooks.tables(metadata)
mail_tables = tables_of_mail(metadata)
