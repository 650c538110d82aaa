"""What the migrations make of rows that are there."""

from typing import Any

import psycopg

from chassis.migrations import runner
from chassis.service import Service
from chassis.testing.plugin import Logins

POSTS = """
INSERT INTO community.posts (
    id, author_id, category, title, body, html, excerpt, tags, status, hidden_reason, pinned, locked, created_at,
    updated_at, version
)
SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '018f0000-0000-7000-8000-000000000007',
    'general', 'Old', '', '', '', '{}', 'published', '', false, false, now(), now(), 1
FROM generate_series(%s::int, %s::int) AS n
"""
NUMBERS = "SELECT number FROM community.posts ORDER BY id"


def test_posts_that_had_no_number_get_one_in_their_order_however_often_that_is_begun(
    database: Logins, service: Service[Any]
) -> None:
    runner.downgrade(database.owner, service.migrations, service.tables, "0001")
    with psycopg.connect(database.owner, autocommit=True) as connection:
        connection.execute(POSTS, (1, 2_400))
        # An earlier attempt that came no further than to the newest 400.
        connection.execute("CREATE SEQUENCE community.numbers_until_then")
        connection.execute("ALTER TABLE community.posts ADD COLUMN number bigint")
        connection.execute(
            "UPDATE community.posts SET number = place.number FROM (SELECT id, 1 - row_number() OVER (ORDER BY id DESC)"
            " AS number FROM community.posts ORDER BY id DESC LIMIT 400) AS place WHERE place.id = posts.id"
        )
        runner.upgrade(database.owner, service.migrations, service.tables)
        connection.execute(POSTS, (2_401, 2_402))
        assert [number for (number,) in connection.execute(NUMBERS)] == list(range(-2_399, 3))
