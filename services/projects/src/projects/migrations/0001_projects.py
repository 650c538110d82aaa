"""Projects, their members, and the recorded replies of keyed writes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "projects"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.Text, nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("visibility", sa.Text, nullable=False),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("labels", ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column(
            "search",
            TSVECTOR,
            sa.Computed("to_tsvector('simple'::regconfig, name || ' ' || description)", persisted=True),
            nullable=False,
        ),
        sa.UniqueConstraint("owner_id", "slug", name="projects_owner_id_slug_key"),
        sa.CheckConstraint("status IN ('active', 'archived')", name="projects_status_check"),
        sa.CheckConstraint("visibility IN ('private', 'public')", name="projects_visibility_check"),
        schema=SCHEMA,
    )
    for column in ("created_at", "updated_at", "name"):
        op.create_index(f"projects_owner_{column}_idx", "projects", ["owner_id", column, "id"], schema=SCHEMA)
        op.create_index(
            f"projects_public_{column}_idx",
            "projects",
            [column, "id"],
            schema=SCHEMA,
            postgresql_where=sa.text("visibility = 'public'"),
        )
    for column in ("labels", "search"):
        op.create_index(f"projects_{column}_idx", "projects", [column], schema=SCHEMA, postgresql_using="gin")
    op.create_table(
        "members",
        sa.Column("project_id", sa.Uuid, nullable=False),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "user_id", name="members_pkey"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.projects.id"], name="members_project_id_fkey", ondelete="CASCADE"
        ),
        sa.CheckConstraint("role IN ('viewer', 'maintainer')", name="members_role_check"),
        schema=SCHEMA,
    )
    op.create_index("members_user_id_idx", "members", ["user_id", "project_id"], schema=SCHEMA)
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


def downgrade() -> None:
    for table in ("idempotency_keys", "members", "projects"):
        op.drop_table(table, schema=SCHEMA)
