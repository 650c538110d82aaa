"""The tables of the auth schema; the migrations lead here, which a test proves."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis import idempotency
from chassis.jobs import tables as jobs
from chassis.mail import tables as mail

metadata = sa.MetaData(schema="auth")
MOMENT: Final = sa.DateTime(timezone=True)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("email_key", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("roles", ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("password_changed_at", MOMENT, nullable=False),
    sa.Column("roles_version", sa.Integer, nullable=False, server_default="1"),
    sa.UniqueConstraint("email_key", name="accounts_email_key_key"),
    sa.CheckConstraint("roles <@ ARRAY['user', 'agent', 'admin']", name="accounts_roles_check"),
    sa.Index("accounts_admins_idx", "id", postgresql_where=sa.text("'admin' = ANY (roles)")),
)

# A request whose code was mailed: a registration (account_id NULL) or a reset. One is made whether or not the address
# has an account, so that the table's work tells nobody.
code_requests = sa.Table(
    "code_requests",
    metadata,
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
    sa.Index("code_requests_email_key_idx", "email_key"),
    sa.Index("code_requests_expires_at_idx", "expires_at"),
)

user_sessions = sa.Table(
    "user_sessions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "user_id",
        sa.Uuid,
        sa.ForeignKey("auth.accounts.id", name="user_sessions_user_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    # The tokens of the session are made of this and a secret of the service that stands in no table.
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
    sa.Column("factor_proved_at", MOMENT),
    sa.UniqueConstraint("hashed_refresh_token", name="user_sessions_hashed_refresh_token_key"),
    sa.Index("user_sessions_user_id_idx", "user_id", "created_at", "id"),
    sa.Index("user_sessions_created_at_idx", "created_at"),
    sa.Index("user_sessions_expires_at_idx", "expires_at"),
    sa.Index("user_sessions_revoked_at_idx", "revoked_at"),
)

# What gateways are told to refuse: ids of sessions, of personal access tokens and of roles that are somebody's no more,
# for as long as an access token may live.
revocations = sa.Table(
    "revocations",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("revoked_at", MOMENT, nullable=False),
    sa.Index("revocations_revoked_at_idx", "revoked_at"),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("public", sa.LargeBinary, nullable=False),
    sa.Column("sealed_private", sa.LargeBinary, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("signs_from", MOMENT, nullable=False),
)

# Tries at a secret within a window of time; the key is a keyed hash of what is counted.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("key", sa.LargeBinary, primary_key=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("since", MOMENT, nullable=False),
    sa.Index("attempts_since_idx", "since"),
)

# Only ever added to: the migration takes from the run-time role the right to change or remove rows.
audit_entries = sa.Table(
    "audit_entries",
    metadata,
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
    sa.Index("audit_entries_account_idx", "account_id", "created_at", "id"),
    sa.Index("audit_entries_created_at_idx", "created_at", "id"),
)

# Where the trail ends: one row, sealed by the service's secret, so that an end that was cut off shows.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.CheckConstraint("id = 1", name="audit_head_id_check"),
)

access_tokens = sa.Table(
    "access_tokens",
    metadata,
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
    sa.Index("access_tokens_owner_idx", "owner_id", "created_at", "id"),
    sa.Index("access_tokens_owner_scope_idx", "owner_id", "scope", "created_at", "id"),
    sa.Index("access_tokens_expires_at_idx", "expires_at"),
)

# The second factor of an account, on from its confirmation. `last_step` is the time step (RFC 6238) of the last code
# that was taken: it only ever moves forward, which is what makes a code good once.
totp_factors = sa.Table(
    "totp_factors",
    metadata,
    sa.Column(
        "account_id",
        sa.Uuid,
        sa.ForeignKey("auth.accounts.id", name="totp_factors_account_id_fkey", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("confirmed_at", MOMENT),
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column(
        "account_id",
        sa.Uuid,
        sa.ForeignKey("auth.accounts.id", name="recovery_codes_account_id_fkey", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("hashed_code", sa.LargeBinary, primary_key=True),
    sa.Column("used_at", MOMENT),
)

# Sign-ins whose password was right and whose second factor is awaited; of their tokens there is a keyed hash alone.
pending_sign_ins = sa.Table(
    "pending_sign_ins",
    metadata,
    sa.Column("hashed_token", sa.LargeBinary, primary_key=True),
    sa.Column(
        "account_id",
        sa.Uuid,
        sa.ForeignKey("auth.accounts.id", name="pending_sign_ins_account_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("password_changed_at", MOMENT, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Index("pending_sign_ins_account_id_idx", "account_id"),
    sa.Index("pending_sign_ins_expires_at_idx", "expires_at"),
)

passkeys = sa.Table(
    "passkeys",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "account_id",
        sa.Uuid,
        sa.ForeignKey("auth.accounts.id", name="passkeys_account_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
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
    sa.Index("passkeys_account_idx", "account_id", "created_at", "id"),
)

# Challenges that wait for their answer; what is to be signed is made of the id and stands in no table.
passkey_challenges = sa.Table(
    "passkey_challenges",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("account_id", sa.Uuid),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.CheckConstraint(
        "purpose IN ('register', 'sign_in', 'second_factor', 'step_up')", name="passkey_challenges_purpose_check"
    ),
    sa.Index("passkey_challenges_expires_at_idx", "expires_at"),
)

idempotency_keys = idempotency.table(metadata)
job_tables = jobs.job_tables(metadata)
mail_tables = mail.mail_tables(metadata)
