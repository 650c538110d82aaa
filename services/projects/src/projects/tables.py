"""The tables of the projects schema; the migrations lead here, which a test proves."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from chassis import idempotency, search
from chassis.jobs import tables
from chassis.mail.tables import mail_tables as tables_of_mail
from chassis.webhooks import tables as webhooks

metadata = sa.MetaData(schema="projects")
MOMENT = sa.DateTime(timezone=True)

SEARCH = search.document("name", "description")

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False),
    # Compared by code point: the same order on every machine, whatever its locales.
    sa.Column("name", sa.Text(collation="C"), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("visibility", sa.Text, nullable=False),
    sa.Column("owner_id", sa.Uuid, nullable=False),
    sa.Column("labels", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("search", TSVECTOR, sa.Computed(SEARCH, persisted=True), nullable=False),
    sa.UniqueConstraint("owner_id", "slug", name="projects_owner_id_slug_key"),
    sa.CheckConstraint("status IN ('active', 'archived')", name="projects_status_check"),
    sa.CheckConstraint("visibility IN ('private', 'public')", name="projects_visibility_check"),
    # A list walks one of these: one's own projects, or the public ones, in each order that is offered.
    *(
        index
        for column in ("created_at", "updated_at", "name")
        for index in (
            sa.Index(f"projects_owner_{column}_idx", "owner_id", column, "id"),
            sa.Index(f"projects_public_{column}_idx", column, "id", postgresql_where=sa.text("visibility = 'public'")),
            sa.Index(
                f"projects_public_status_{column}_idx",
                "status",
                column,
                "id",
                postgresql_where=sa.text("visibility = 'public'"),
            ),
        )
    ),
    sa.Index("projects_labels_idx", "labels", postgresql_using="gin"),
    sa.Index("projects_search_idx", "search", postgresql_using="gin"),
)

members = sa.Table(
    "members",
    metadata,
    sa.Column(
        "project_id",
        sa.Uuid,
        sa.ForeignKey("projects.projects.id", name="members_project_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("user_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint("project_id", "user_id", name="members_pkey"),
    sa.CheckConstraint("role IN ('viewer', 'maintainer')", name="members_role_check"),
    sa.Index("members_user_id_idx", "user_id", "project_id"),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "project_id",
        sa.Uuid,
        sa.ForeignKey("projects.projects.id", name="invitations_project_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("invited_by", sa.Uuid, nullable=False),
    sa.Column("generation", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("sent_at", MOMENT, nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("accepted_by", sa.Uuid),
    sa.Column("accepted_at", MOMENT),
    sa.CheckConstraint("role IN ('viewer', 'maintainer')", name="invitations_role_check"),
    # One open invitation per address.
    sa.Index(
        "invitations_open_idx",
        "project_id",
        "email_key",
        unique=True,
        postgresql_where=sa.text("accepted_at IS NULL"),
    ),
    sa.Index("invitations_project_idx", "project_id"),
    sa.Index("invitations_sent_idx", "invited_by", "sent_at"),
    sa.Index("invitations_expires_at_idx", "expires_at"),
)

idempotency_keys = idempotency.table(metadata)
job_tables = tables.job_tables(metadata)
webhook_tables = webhooks.tables(metadata)
mail_tables = tables_of_mail(metadata)
