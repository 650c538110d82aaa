"""Until when a failing webhook endpoint is left alone."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "projects"


def upgrade() -> None:
    op.add_column(
        "webhook_endpoints", sa.Column("resting_until", sa.DateTime(timezone=True), nullable=True), schema=SCHEMA
    )


def downgrade() -> None:
    op.drop_column("webhook_endpoints", "resting_until", schema=SCHEMA)
