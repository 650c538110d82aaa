"""Entries of histories have numbers, which grow in the order of their commits within a ticket.

What was written before has none: it comes before all that has.
"""

from alembic import op

from chassis.migrations import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "support"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE IF NOT EXISTS support.history_numbers")
    op.execute("ALTER TABLE support.history ADD COLUMN IF NOT EXISTS number BIGINT")
    # A default, since the release before goes on to write meanwhile.
    op.execute("ALTER TABLE support.history ALTER COLUMN number SET DEFAULT nextval('support.history_numbers')")
    online.create_index("history_number_idx", "history", ["ticket_id", "number"], schema=SCHEMA)


def downgrade() -> None:
    op.drop_index("history_number_idx", "history", schema=SCHEMA)
    op.drop_column("history", "number", schema=SCHEMA)
    op.execute("DROP SEQUENCE support.history_numbers")
