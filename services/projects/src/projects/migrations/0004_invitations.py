"""Invitations, and what is kept about mails: refused addresses, and who got how many lately."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "projects"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("project_id", sa.Uuid, nullable=False),
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
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.projects.id"], name="invitations_project_id_fkey", ondelete="CASCADE"
        ),
        sa.CheckConstraint("role IN ('viewer', 'maintainer')", name="invitations_role_check"),
        schema=SCHEMA,
    )
    op.create_index(
        "invitations_open_idx",
        "invitations",
        ["project_id", "email_key"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("accepted_at IS NULL"),
    )
    op.create_index("invitations_project_idx", "invitations", ["project_id"], schema=SCHEMA)
    op.create_index("invitations_sent_idx", "invitations", ["invited_by", "sent_at"], schema=SCHEMA)
    op.create_index("invitations_expires_at_idx", "invitations", ["expires_at"], schema=SCHEMA)
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
    for table in ("mail_slots", "mail_suppressions", "invitations"):
        op.drop_table(table, schema=SCHEMA)
