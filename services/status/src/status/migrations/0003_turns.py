"""What an incident's update made of components."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "status"


def upgrade() -> None:
    turns = sa.Column("turns", JSONB, nullable=False, server_default=sa.text("'[]'::jsonb"))
    op.add_column("incident_updates", turns, schema=SCHEMA)


def downgrade() -> None:
    op.drop_column("incident_updates", "turns", schema=SCHEMA)
