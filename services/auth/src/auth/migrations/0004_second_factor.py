"""Second factors, recovery codes, pending sign-ins, passkeys, and when a session was last proved by one of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "auth"
MOMENT = sa.DateTime(timezone=True)


def of_account(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["account_id"], ["auth.accounts.id"], name=f"{table}_account_id_fkey", ondelete="CASCADE"
    )


def upgrade() -> None:
    op.add_column("user_sessions", sa.Column("factor_proved_at", MOMENT), schema=SCHEMA)
    op.create_table(
        "totp_factors",
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("confirmed_at", MOMENT),
        of_account("totp_factors"),
        schema=SCHEMA,
    )
    op.create_table(
        "recovery_codes",
        sa.Column("account_id", sa.Uuid, primary_key=True),
        sa.Column("hashed_code", sa.LargeBinary, primary_key=True),
        sa.Column("used_at", MOMENT),
        of_account("recovery_codes"),
        schema=SCHEMA,
    )
    op.create_table(
        "pending_sign_ins",
        sa.Column("hashed_token", sa.LargeBinary, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("password_changed_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        of_account("pending_sign_ins"),
        schema=SCHEMA,
    )
    for column in ("account_id", "expires_at"):
        op.create_index(f"pending_sign_ins_{column}_idx", "pending_sign_ins", [column], schema=SCHEMA)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("account_id", sa.Uuid, nullable=False),
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("transports", ARRAY(sa.Text), nullable=False),
        sa.Column("synced", sa.Boolean, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("credential_id", name="passkeys_credential_id_key"),
        of_account("passkeys"),
        schema=SCHEMA,
    )
    op.create_index("passkeys_account_idx", "passkeys", ["account_id", "created_at", "id"], schema=SCHEMA)
    op.create_table(
        "passkey_challenges",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "purpose IN ('register', 'sign_in', 'second_factor', 'step_up')", name="passkey_challenges_purpose_check"
        ),
        schema=SCHEMA,
    )
    op.create_index("passkey_challenges_expires_at_idx", "passkey_challenges", ["expires_at"], schema=SCHEMA)


def downgrade() -> None:
    for table in ("passkey_challenges", "passkeys", "pending_sign_ins", "recovery_codes", "totp_factors"):
        op.drop_table(table, schema=SCHEMA)
    op.drop_column("user_sessions", "factor_proved_at", schema=SCHEMA)
