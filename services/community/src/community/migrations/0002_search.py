"""Posts have numbers, and an index that finds them by words, blocks of numbers and what lists filter by.

Nothing here rewrites the table or keeps writers waiting, and all of it may be run again where it was interrupted.
"""

import sqlalchemy as sa
from alembic import op

from chassis.migrations import online

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "community"
MARKED = (
    "search || array_to_tsvector(ARRAY["
    + "".join(f"'@{level}:' || (number >> {level}), " for level in range(10, 26, 2))
    + "'@category:' || category, '@author:' || author_id, '@answered:' || (accepted_reply_id IS NOT NULL),"
    " '@pinned:' || pinned, '@status:' || status, "
    + ", ".join(f"COALESCE('@tag:' || tags[{n}], '@')" for n in range(1, 6))
    + "])"
)
# From the newest back (ids begin with their time), a thousand at a time, so that no writer waits for more than that.
# What is written meanwhile takes its number from the sequence, which begins at 1.
BACKFILL = """
DO $$
DECLARE
    lowest bigint := least((SELECT min(number) FROM community.posts), 1);
    reached uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    ids uuid[];
BEGIN
    LOOP
        ids := ARRAY(
            SELECT id FROM community.posts WHERE id < reached AND number IS NULL ORDER BY id DESC LIMIT 1000
        );
        EXIT WHEN cardinality(ids) = 0;
        UPDATE community.posts SET number = lowest - older.place
        FROM unnest(ids) WITH ORDINALITY AS older (id, place)
        WHERE posts.id = older.id AND posts.number IS NULL;
        lowest := lowest - cardinality(ids);
        reached := ids[cardinality(ids)];
        COMMIT;
    END LOOP;
END
$$
"""
# A column can only become one that numbers itself when it has no NULL any more.
IDENTITY = """
DO $$
BEGIN
    LOCK TABLE community.posts IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
        'ALTER TABLE community.posts ALTER number DROP DEFAULT, ALTER number ADD GENERATED ALWAYS AS IDENTITY'
        ' (SEQUENCE NAME community.posts_numbers START WITH %s)',
        nextval('community.numbers_until_then')
    );
    DROP SEQUENCE community.numbers_until_then;
END
$$
"""
PROMISED_ELSEWHERE = "-- squawk-ignore ban-drop-constraint"  # by NOT NULL, or by nothing yet


def upgrade() -> None:
    op.execute("CREATE SEQUENCE IF NOT EXISTS community.numbers_until_then")
    op.add_column("posts", sa.Column("number", sa.BigInteger), schema=SCHEMA, if_not_exists=True)
    op.execute("ALTER TABLE community.posts ALTER COLUMN number SET DEFAULT nextval('community.numbers_until_then')")
    with op.get_context().autocommit_block():
        op.execute(BACKFILL)
        # SET NOT NULL alone would read the whole table while it keeps everyone out.
        op.execute(f"{PROMISED_ELSEWHERE}\nALTER TABLE community.posts DROP CONSTRAINT IF EXISTS posts_number_check")
        op.execute("ALTER TABLE community.posts ADD CONSTRAINT posts_number_check CHECK (number IS NOT NULL) NOT VALID")
        op.execute("ALTER TABLE community.posts VALIDATE CONSTRAINT posts_number_check")
        op.execute("ALTER TABLE community.posts ALTER COLUMN number SET NOT NULL")
        op.execute(f"{PROMISED_ELSEWHERE}\nALTER TABLE community.posts DROP CONSTRAINT posts_number_check")
    online.create_index("posts_number_idx", "posts", ["number"], unique=True, schema=SCHEMA)
    online.create_index("posts_marked_idx", "posts", [sa.text(f"({MARKED})")], schema=SCHEMA, postgresql_using="gin")
    op.execute(IDENTITY)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in ("posts_marked_idx", "posts_number_idx"):
            op.drop_index(name, "posts", schema=SCHEMA, postgresql_concurrently=True)
    op.drop_column("posts", "number", schema=SCHEMA)
