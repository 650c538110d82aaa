"""Public projects of one status in every order, so that few archived ones among many are not looked for one by one."""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import online

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SCHEMA = "projects"
COLUMNS = ("created_at", "updated_at", "name")


def upgrade() -> None:
    for column in COLUMNS:
        online.create_index(
            f"projects_public_status_{column}_idx",
            "projects",
            ["status", column, "id"],
            schema=SCHEMA,
            postgresql_where=sa.text("visibility = 'public'"),
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for column in COLUMNS:
            op.drop_index(
                f"projects_public_status_{column}_idx", "projects", schema=SCHEMA, postgresql_concurrently=True
            )
