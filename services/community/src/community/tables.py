"""The tables of the community schema; the migrations lead here, which a test proves."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR

from chassis import idempotency, search
from chassis.jobs import tables as jobs
from community.model.content import MAX_TAGS

metadata = sa.MetaData(schema="community")

MOMENT: Final = sa.DateTime(timezone=True)
SEARCH: Final = search.document("title", "body")
MARKED: Final = "search || " + search.marks(
    *search.block_marks("number"),
    "'@category:' || category",
    "'@author:' || author_id",
    "'@answered:' || (accepted_reply_id IS NOT NULL)",
    "'@pinned:' || pinned",
    "'@status:' || status",
    # A subquery over all tags is nothing that an index takes.
    *(f"COALESCE('@tag:' || tags[{n}], '@')" for n in range(1, MAX_TAGS + 1)),
)
"""What a search finds a post by: its words, the blocks of its number, and what lists filter by (see chassis.search)."""
PINNED: Final = 10**17
"""What being pinned adds to a place in a list: more than anything else ever will."""

_PIN: Final = f"CASE WHEN pinned THEN {PINNED} ELSE 0 END"
_EPOCH: Final = "extract(epoch from (created_at AT TIME ZONE 'UTC'))"
BY_NEW: Final = f"(({_EPOCH} * 1000000)::bigint + {_PIN})"
"""In microseconds since the epoch."""
BY_TOP: Final = f"(points + {_PIN})"
"""In points."""
BY_HOT: Final = f"(floor((log(greatest(points, 1)::double precision) + {_EPOCH} / 45000) * 1000000)::bigint + {_PIN})"
"""In millionths: the decimal logarithm of the points, plus the time of publication in units of 12.5 hours. It changes
with nothing but reactions and replies, so that it needs no rescoring and posts keep their order while nobody reacts."""

categories = sa.Table(
    "categories",
    metadata,
    sa.Column("slug", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

posts = sa.Table(
    "posts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column(
        "category", sa.Text, sa.ForeignKey("community.categories.slug", name="posts_category_fkey"), nullable=False
    ),
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
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("edited_at", MOMENT),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("search", TSVECTOR, sa.Computed(SEARCH, persisted=True), nullable=False),
    # In the order of publication; what was there before posts had numbers has those from 0 down.
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.CheckConstraint("status IN ('published', 'hidden', 'deleted')", name="posts_status_check"),
    sa.Index("posts_category_idx", "category"),
    sa.Index("posts_number_idx", "number", unique=True),
    sa.Index("posts_marked_idx", sa.text(f"({MARKED})"), postgresql_using="gin"),
    # What the release before searches by; the next one drops it.
    sa.Index("posts_search_idx", "search", postgresql_using="gin"),
)

# What readers make of a post stands apart from it: reacting rewrites neither its text nor its search index.
activity = sa.Table(
    "activity",
    metadata,
    sa.Column(
        "post_id",
        sa.Uuid,
        sa.ForeignKey("community.posts.id", name="activity_post_id_fkey", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("reaction_count", sa.BigInteger, nullable=False),
    sa.Column("reply_count", sa.BigInteger, nullable=False),
    sa.Column("last_reply_number", sa.BigInteger, nullable=False),
    sa.Column("last_activity_at", MOMENT, nullable=False),
    sa.Column("points", sa.BigInteger, sa.Computed("reaction_count + 2 * reply_count", persisted=True), nullable=False),
    # When it last went down in a list: see store/listing.py.
    sa.Column("fell_at", MOMENT),
)

_ORDERS: Final = ("new", "hot", "top")
_LISTED: Final = sa.text("NOT hidden")

# What lists walk: one narrow row per post for the list of all (tag '') and one for each of its tags. A projection of
# posts and activity, written by store/entries.py alone.
entries = sa.Table(
    "entries",
    metadata,
    sa.Column(
        "post_id",
        sa.Uuid,
        sa.ForeignKey("community.posts.id", name="entries_post_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("tag", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column("hidden", sa.Boolean, nullable=False),
    sa.Column("answered", sa.Boolean, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    # A post's place in each order, pinned ones first. One number: PostgreSQL estimates a comparison of rows by its
    # first part alone, and with `pinned` there would expect nothing after a post that is not.
    sa.Column("by_new", sa.BigInteger, sa.Computed(BY_NEW, persisted=True), nullable=False),
    sa.Column("by_hot", sa.BigInteger, sa.Computed(BY_HOT, persisted=True), nullable=False),
    sa.Column("by_top", sa.BigInteger, sa.Computed(BY_TOP, persisted=True), nullable=False),
    sa.Column("fell_at", MOMENT),
    sa.PrimaryKeyConstraint("post_id", "tag", name="entries_pkey"),
    # One for each filter in each order that is offered.
    *(
        sa.Index(
            f"entries_{name}_{order}_idx",
            *filters,
            f"by_{order}",
            "post_id",
            postgresql_where=None if name == "author" else _LISTED,
        )
        for order in _ORDERS
        for name, filters in (
            ("all", ("tag",)),
            ("answered", ("tag", "answered")),
            ("category", ("tag", "category")),
            ("category_answered", ("tag", "category", "answered")),
            ("author", ("author_id", "tag")),
        )
    ),
)

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column(
        "post_id",
        sa.Uuid,
        sa.ForeignKey("community.posts.id", name="replies_post_id_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    sa.Column("parent_id", sa.Uuid),
    # Compared by code point: hexadecimal digits in the order of their numbers.
    sa.Column("path", sa.Text(collation="C"), nullable=False),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("html", sa.Text, nullable=False),
    sa.Column("excerpt", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("hidden_reason", sa.Text, nullable=False),
    sa.Column("child_count", sa.BigInteger, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("updated_at", MOMENT, nullable=False),
    sa.Column("edited_at", MOMENT),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.CheckConstraint("status IN ('published', 'hidden', 'deleted')", name="replies_status_check"),
    sa.Index("replies_path_idx", "post_id", "path", unique=True),
    # What readers see, what moderators see besides, and what authors see of their own.
    sa.Index(
        "replies_shown_idx",
        "post_id",
        "path",
        postgresql_where=sa.text("status = 'published' OR child_count > 0"),
    ),
    sa.Index(
        "replies_hidden_idx",
        "post_id",
        "path",
        postgresql_where=sa.text("status = 'hidden' AND child_count = 0"),
    ),
    sa.Index(
        "replies_own_hidden_idx",
        "post_id",
        "author_id",
        "path",
        postgresql_where=sa.text("status = 'hidden' AND child_count = 0"),
    ),
)

reactions = sa.Table(
    "reactions",
    metadata,
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("subject_id", "person_id", "kind", name="reactions_pkey"),
)

reaction_counts = sa.Table(
    "reaction_counts",
    metadata,
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("subject_id", "kind", name="reaction_counts_pkey"),
    sa.CheckConstraint("count >= 0", name="reaction_counts_count_check"),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.PrimaryKeyConstraint("subject_id", "person_id", name="reports_pkey"),
    sa.Index("reports_created_at_idx", "subject_id", "created_at"),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("subject_id", sa.Uuid, primary_key=True),
    sa.Column("subject_kind", sa.Text, nullable=False),
    sa.Column("post_id", sa.Uuid, nullable=False),
    sa.Column("author_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_at", MOMENT, nullable=False),
    sa.Column("decision_reason", sa.Text, nullable=False),
    sa.CheckConstraint("subject_kind IN ('post', 'reply')", name="cases_subject_kind_check"),
    sa.CheckConstraint("state IN ('open', 'hidden', 'dismissed', 'deleted')", name="cases_state_check"),
    sa.Index("cases_opened_at_idx", "opened_at", "subject_id"),
    sa.Index("cases_state_opened_at_idx", "state", "opened_at", "subject_id"),
)

# The service's role may add to it and read it, nothing else: see the migration.
moderation_log = sa.Table(
    "moderation_log",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject_kind", sa.Text, nullable=False),
    sa.Column("subject_id", sa.Uuid, nullable=False),
    sa.Column("post_id", sa.Uuid, nullable=False),
    sa.Column("moderator_id", sa.Uuid, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Index("moderation_log_created_at_idx", "created_at", "id"),
    sa.Index("moderation_log_post_id_idx", "post_id", "created_at", "id"),
)

idempotency_keys = idempotency.table(metadata)
job_tables = jobs.job_tables(metadata)
