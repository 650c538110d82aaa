"""The outbox, what was handled of it, and the runs of periodic jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "auth"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("aggregate", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.Uuid),
        sa.Column("leased_until", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("dead_at", MOMENT),
        schema=SCHEMA,
    )
    op.create_index(
        "outbox_due_idx", "outbox", ["due_at", "position"], schema=SCHEMA, postgresql_where=sa.text("dead_at IS NULL")
    )
    op.create_index(
        "outbox_aggregate_idx",
        "outbox",
        ["aggregate", "position"],
        schema=SCHEMA,
        postgresql_where=sa.text("aggregate IS NOT NULL AND dead_at IS NULL"),
    )
    op.create_table(
        "handled",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("handled_at", MOMENT, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("handled_handled_at_idx", "handled", ["handled_at"], schema=SCHEMA)
    op.create_table(
        "schedule_runs",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("job", "due_at", name="schedule_runs_pkey"),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in ("schedule_runs", "handled", "outbox"):
        op.drop_table(table, schema=SCHEMA)
