"""What is kept about mails: refused addresses, and who got how many lately."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = "auth"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "mail_suppressions",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("code", sa.BigInteger, nullable=False),
        sa.Column("reply", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        schema=SCHEMA,
    )
    op.create_table(
        "mail_slots",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("recipient", sa.LargeBinary, nullable=False),
        sa.Column("slot_at", MOMENT, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("mail_slots_recipient_idx", "mail_slots", ["recipient", "slot_at"], schema=SCHEMA)
    op.create_index("mail_slots_slot_at_idx", "mail_slots", ["slot_at"], schema=SCHEMA)


def downgrade() -> None:
    for table in ("mail_slots", "mail_suppressions"):
        op.drop_table(table, schema=SCHEMA)
