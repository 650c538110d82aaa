"""How often an account's roles have changed, and where the audit trail ends."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "auth"


def upgrade() -> None:
    op.add_column("accounts", sa.Column("roles_version", sa.Integer, nullable=False, server_default="1"), schema=SCHEMA)
    op.create_table(
        "audit_head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="audit_head_id_check"),
        schema=SCHEMA,
    )
    op.execute(f"REVOKE DELETE, TRUNCATE ON {SCHEMA}.audit_head FROM {SCHEMA}")


def downgrade() -> None:
    op.drop_table("audit_head", schema=SCHEMA)
    op.drop_column("accounts", "roles_version", schema=SCHEMA)
