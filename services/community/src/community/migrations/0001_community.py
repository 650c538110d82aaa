"""Categories, posts, replies, what readers make of them, moderation, and what every service has."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "community"
MOMENT = sa.DateTime(timezone=True)
PIN = "CASE WHEN pinned THEN 100000000000000000 ELSE 0 END"
EPOCH = "extract(epoch from (created_at AT TIME ZONE 'UTC'))"
BY_NEW = f"(({EPOCH} * 1000000)::bigint + {PIN})"
BY_TOP = f"(points + {PIN})"
BY_HOT = f"(floor((log(greatest(points, 1)::double precision) + {EPOCH} / 45000) * 1000000)::bigint + {PIN})"
CATEGORIES = (
    ("announcements", "Announcements", "What is new in the product."),
    ("questions", "Questions", "Ask how something is done; accept the reply that answers it."),
    ("ideas", "Ideas", "What the product could do better."),
    ("showcase", "Showcase", "What you have built."),
    ("general", "General", "Everything else."),
)
TABLES = (
    "schedule_runs",
    "handled",
    "outbox",
    "idempotency_keys",
    "moderation_log",
    "cases",
    "reports",
    "reaction_counts",
    "reactions",
    "replies",
    "entries",
    "activity",
    "posts",
    "categories",
)


def upgrade() -> None:
    _categories()
    _posts()
    _entries()
    _replies()
    _reactions()
    _moderation()
    _idempotency_keys()
    _jobs()


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table, schema=SCHEMA)


def _table(name: str, *parts: Any) -> None:
    op.create_table(name, *parts, schema=SCHEMA)


def _index(name: str, table: str, *columns: str, where: str | None = None, **options: Any) -> None:
    only = sa.text(where) if where else None
    op.create_index(f"{table}_{name}_idx", table, list(columns), schema=SCHEMA, postgresql_where=only, **options)


def _moments() -> list[sa.Column[Any]]:
    return [
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    ]


def _categories() -> None:
    _table(
        "categories",
        sa.Column("slug", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        *_moments(),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    names = ("slug", "name", "description", "position", "created_at", "updated_at", "version")
    categories = sa.table("categories", *map(sa.column, names), schema=SCHEMA)
    for position, (slug, name, description) in enumerate(CATEGORIES):
        text = (op.inline_literal(part) for part in (slug, name, description))
        row = (*text, op.inline_literal(position), sa.func.now(), sa.func.now(), op.inline_literal(1))
        op.execute(sa.insert(categories).values(dict(zip(names, row, strict=True))))


def _posts() -> None:
    _table(
        "posts",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("excerpt", sa.Text, nullable=False),
        sa.Column("tags", ARRAY(sa.Text), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("hidden_reason", sa.Text, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("locked", sa.Boolean, nullable=False),
        sa.Column("accepted_reply_id", sa.Uuid),
        *_moments(),
        sa.Column("edited_at", MOMENT),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column(
            "search",
            TSVECTOR,
            sa.Computed("to_tsvector('simple'::regconfig, title || ' ' || body)", persisted=True),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["category"], ["community.categories.slug"], name="posts_category_fkey"),
        sa.CheckConstraint("status IN ('published', 'hidden', 'deleted')", name="posts_status_check"),
    )
    _index("category", "posts", "category")
    _index("search", "posts", "search", postgresql_using="gin")
    _table(
        "activity",
        sa.Column("post_id", sa.Uuid, primary_key=True),
        sa.Column("reaction_count", sa.BigInteger, nullable=False),
        sa.Column("reply_count", sa.BigInteger, nullable=False),
        sa.Column("last_reply_number", sa.BigInteger, nullable=False),
        sa.Column("last_activity_at", MOMENT, nullable=False),
        sa.Column(
            "points", sa.BigInteger, sa.Computed("reaction_count + 2 * reply_count", persisted=True), nullable=False
        ),
        sa.Column("fell_at", MOMENT),
        _post_key("activity"),
    )


def _post_key(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["post_id"], ["community.posts.id"], name=f"{table}_post_id_fkey", ondelete="CASCADE"
    )


def _entries() -> None:
    _table(
        "entries",
        sa.Column("post_id", sa.Uuid, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("answered", sa.Boolean, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("by_new", sa.BigInteger, sa.Computed(BY_NEW, persisted=True), nullable=False),
        sa.Column("by_hot", sa.BigInteger, sa.Computed(BY_HOT, persisted=True), nullable=False),
        sa.Column("by_top", sa.BigInteger, sa.Computed(BY_TOP, persisted=True), nullable=False),
        sa.Column("fell_at", MOMENT),
        sa.PrimaryKeyConstraint("post_id", "tag", name="entries_pkey"),
        _post_key("entries"),
    )
    for order in ("new", "hot", "top"):
        key = (f"by_{order}", "post_id")
        _index(f"all_{order}", "entries", "tag", *key, where="NOT hidden")
        _index(f"answered_{order}", "entries", "tag", "answered", *key, where="NOT hidden")
        _index(f"category_{order}", "entries", "tag", "category", *key, where="NOT hidden")
        _index(f"category_answered_{order}", "entries", "tag", "category", "answered", *key, where="NOT hidden")
        _index(f"author_{order}", "entries", "author_id", "tag", *key)


def _replies() -> None:
    _table(
        "replies",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("post_id", sa.Uuid, nullable=False),
        sa.Column("parent_id", sa.Uuid),
        sa.Column("path", sa.Text(collation="C"), nullable=False),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False),
        sa.Column("excerpt", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("hidden_reason", sa.Text, nullable=False),
        sa.Column("child_count", sa.BigInteger, nullable=False),
        *_moments(),
        sa.Column("edited_at", MOMENT),
        sa.Column("version", sa.BigInteger, nullable=False),
        _post_key("replies"),
        sa.CheckConstraint("status IN ('published', 'hidden', 'deleted')", name="replies_status_check"),
    )
    hidden = "status = 'hidden' AND child_count = 0"
    _index("path", "replies", "post_id", "path", unique=True)
    _index("shown", "replies", "post_id", "path", where="status = 'published' OR child_count > 0")
    _index("hidden", "replies", "post_id", "path", where=hidden)
    _index("own_hidden", "replies", "post_id", "author_id", "path", where=hidden)


def _reactions() -> None:
    _table(
        "reactions",
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "person_id", "kind", name="reactions_pkey"),
    )
    _table(
        "reaction_counts",
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "kind", name="reaction_counts_pkey"),
        sa.CheckConstraint("count >= 0", name="reaction_counts_count_check"),
    )


def _moderation() -> None:
    _table(
        "reports",
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "person_id", name="reports_pkey"),
    )
    _index("created_at", "reports", "subject_id", "created_at")
    _table(
        "cases",
        sa.Column("subject_id", sa.Uuid, primary_key=True),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("post_id", sa.Uuid, nullable=False),
        sa.Column("author_id", sa.Uuid, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("decision_reason", sa.Text, nullable=False),
        sa.CheckConstraint("subject_kind IN ('post', 'reply')", name="cases_subject_kind_check"),
        sa.CheckConstraint("state IN ('open', 'hidden', 'dismissed', 'deleted')", name="cases_state_check"),
    )
    _index("opened_at", "cases", "opened_at", "subject_id")
    _index("state_opened_at", "cases", "state", "opened_at", "subject_id")
    _table(
        "moderation_log",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject_kind", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Uuid, nullable=False),
        sa.Column("post_id", sa.Uuid, nullable=False),
        sa.Column("moderator_id", sa.Uuid, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    _index("created_at", "moderation_log", "created_at", "id")
    _index("post_id", "moderation_log", "post_id", "created_at", "id")
    # Who moderates cannot tidy up behind themselves, whatever the code does.
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON community.moderation_log FROM community")


def _idempotency_keys() -> None:
    _table(
        "idempotency_keys",
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("reply", sa.LargeBinary, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("caller", "method", "key", name="idempotency_keys_pkey"),
    )
    _index("expires_at", "idempotency_keys", "expires_at")


def _jobs() -> None:
    _table(
        "outbox",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload", JSONB, nullable=False),
        sa.Column("aggregate", sa.Text),
        sa.Column("traceparent", sa.Text),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease", sa.Uuid),
        sa.Column("leased_until", MOMENT),
        sa.Column("last_error", sa.Text),
        sa.Column("dead_at", MOMENT),
    )
    _index("due", "outbox", "due_at", "position", where="dead_at IS NULL")
    _index("aggregate", "outbox", "aggregate", "position", where="aggregate IS NOT NULL AND dead_at IS NULL")
    _table(
        "handled",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("handled_at", MOMENT, nullable=False),
    )
    _index("handled_at", "handled", "handled_at")
    _table(
        "schedule_runs",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("job", "due_at", name="schedule_runs_pkey"),
    )
