"""Everyone's webhooks in the order of a list, for admins."""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import online

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "status"


def upgrade() -> None:
    online.create_index(
        "webhook_endpoints_live_idx",
        "webhook_endpoints",
        ["created_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("webhook_endpoints_live_idx", "webhook_endpoints", schema=SCHEMA, postgresql_concurrently=True)
