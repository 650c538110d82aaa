"""Accounts, sessions, signing keys, the audit trail, personal access tokens, recorded replies."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "auth"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_accounts()
    create_sessions()
    op.create_table(
        "audit_entries",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("actor_id", sa.Uuid),
        sa.Column("session_id", sa.Uuid),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("trace_id", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("id", name="audit_entries_id_key"),
        schema=SCHEMA,
    )
    op.create_index("audit_entries_account_idx", "audit_entries", ["account_id", "created_at", "id"], schema=SCHEMA)
    op.create_index("audit_entries_created_at_idx", "audit_entries", ["created_at", "id"], schema=SCHEMA)
    # The run-time role adds entries and reads them; nobody but the owner can change or remove one.
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {SCHEMA}.audit_entries FROM {SCHEMA}")
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("owner_id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("hashed_token", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("scope IN ('read', 'write')", name="access_tokens_scope_check"),
        schema=SCHEMA,
    )
    op.create_index("access_tokens_owner_idx", "access_tokens", ["owner_id", "created_at", "id"], schema=SCHEMA)
    op.create_index(
        "access_tokens_owner_scope_idx", "access_tokens", ["owner_id", "scope", "created_at", "id"], schema=SCHEMA
    )
    op.create_index("access_tokens_expires_at_idx", "access_tokens", ["expires_at"], schema=SCHEMA)
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "key", name="idempotency_keys_pkey"),
        schema=SCHEMA,
    )
    op.create_index("idempotency_keys_expires_at_idx", "idempotency_keys", ["expires_at"], schema=SCHEMA)


def create_accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("roles", ARRAY(sa.Text), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("password_changed_at", MOMENT, nullable=False),
        sa.UniqueConstraint("email_key", name="accounts_email_key_key"),
        sa.CheckConstraint("roles <@ ARRAY['user', 'agent', 'admin']", name="accounts_roles_check"),
        schema=SCHEMA,
    )
    op.create_index(
        "accounts_admins_idx", "accounts", ["id"], schema=SCHEMA, postgresql_where=sa.text("'admin' = ANY (roles)")
    )
    op.create_table(
        "code_requests",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("account_id", sa.Uuid),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("email_key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.CheckConstraint("purpose IN ('register', 'reset')", name="code_requests_purpose_check"),
        schema=SCHEMA,
    )
    for column in ("email_key", "expires_at"):
        op.create_index(f"code_requests_{column}_idx", "code_requests", [column], schema=SCHEMA)
    op.create_table(
        "attempts",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("attempts_since_idx", "attempts", ["since"], schema=SCHEMA)


def create_sessions() -> None:
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("seed", sa.LargeBinary, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("hashed_refresh_token", sa.LargeBinary, nullable=False),
        sa.Column("rotated_at", MOMENT, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("user_agent", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("proved_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("revoked_because", sa.Text),
        sa.UniqueConstraint("hashed_refresh_token", name="user_sessions_hashed_refresh_token_key"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["auth.accounts.id"], name="user_sessions_user_id_fkey", ondelete="CASCADE"
        ),
        schema=SCHEMA,
    )
    op.create_index("user_sessions_user_id_idx", "user_sessions", ["user_id", "created_at", "id"], schema=SCHEMA)
    for column in ("created_at", "expires_at", "revoked_at"):
        op.create_index(f"user_sessions_{column}_idx", "user_sessions", [column], schema=SCHEMA)
    op.create_table(
        "revocations",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("revoked_at", MOMENT, nullable=False),
        schema=SCHEMA,
    )
    op.create_index("revocations_revoked_at_idx", "revocations", ["revoked_at"], schema=SCHEMA)
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("public", sa.LargeBinary, nullable=False),
        sa.Column("sealed_private", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("signs_from", MOMENT, nullable=False),
        schema=SCHEMA,
    )


def downgrade() -> None:
    for table in (
        "idempotency_keys",
        "access_tokens",
        "audit_entries",
        "signing_keys",
        "revocations",
        "user_sessions",
        "attempts",
        "code_requests",
        "accounts",
    ):
        op.drop_table(table, schema=SCHEMA)
