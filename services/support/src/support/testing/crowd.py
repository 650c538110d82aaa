"""Fills the tables with tickets as a help desk has them after years: most closed, few open, words as in life."""

from typing import Final

import psycopg

from support.tables import NEVER

COMMON: Final = "printer"
"""A word in every second ticket."""
FREQUENT: Final = "invoice"
"""A word in one ticket of a hundred."""
RARE: Final = "zugzwang"
"""A word in one ticket of the whole crowd."""
BILLING: Final = "billing"
"""A label of every second ticket."""
VIP: Final = "vip"
"""A label of one ticket of two hundred."""

# Chance without a seed: every crowd of a size is the same. A ticket's number is the end of its id.
_TICKETS: Final = """
INSERT INTO support.tickets
SELECT
    lpad(to_hex(i), 32, '0')::uuid,
    'Ticket ' || i || CASE WHEN chance(i, 1) < 50 THEN ' printer' ELSE ' screen' END
        || CASE WHEN chance(i, 2) < 1 THEN ' invoice' ELSE '' END,
    status,
    1 + (chance(i, 3) >= 20)::int + (chance(i, 3) >= 75)::int + (chance(i, 3) >= 95)::int,
    lpad('c' || to_hex(abs(hashint8(i)) % (%(count)s / 20)), 32, '0')::uuid,
    CASE WHEN status = 'open' AND chance(i, 4) < 60 THEN lpad('', 32, '0')::uuid
        ELSE lpad('a' || to_hex(chance(i, 5)::int % 40), 32, '0')::uuid END,
    CASE WHEN chance(i, 6) < 50 THEN ARRAY['billing'] ELSE ARRAY[]::text[] END
        || CASE WHEN chance(i, 7) < 1 THEN ARRAY['vip'] ELSE ARRAY[]::text[] END
        || ARRAY['topic-' || abs(hashint8(i * 3)) % 300],
    '', at, at + chance(i, 8) * interval '1 hour', 3,
    at + interval '8 hours', CASE WHEN status <> 'open' THEN at + interval '1 hour' END, false,
    interval '72 hours', interval '0', CASE WHEN status = 'open' THEN at END,
    CASE WHEN status IN ('solved', 'closed') THEN at + interval '2 hours' END, false,
    CASE WHEN status = 'open' THEN at + interval '8 hours' ELSE %(never)s END,
    status = 'open' AND at + interval '8 hours' < now(),
    CASE WHEN status <> 'open' THEN %(never)s WHEN at + interval '8 hours' < now() THEN at + interval '72 hours'
        ELSE at + interval '8 hours' END
FROM (
    SELECT i, now() - (%(count)s - i) * interval '1 second' AS at,
        CASE WHEN chance(i, 9) < 10 THEN 'open' WHEN chance(i, 9) < 15 THEN 'pending'
            WHEN chance(i, 9) < 30 THEN 'solved' ELSE 'closed' END AS status
    FROM generate_series(1::bigint, %(count)s) AS i
) AS crowd
"""

_MESSAGES: Final = """
INSERT INTO support.messages (id, ticket_id, author_id, from_agent, internal, title, body, created_at)
SELECT
    lpad('e' || n || right(replace(t.id::text, '-', ''), 12), 32, '0')::uuid,
    t.id, CASE WHEN n = 0 THEN t.requester_id ELSE t.assignee_id END, n > 0, n = 2,
    CASE WHEN n = 0 THEN t.subject ELSE '' END,
    'word' || abs(hashint8(i * 4 + n)) % 5000 || ' word' || abs(hashint8(i * 5 + n)) % 500
        || ' word' || abs(hashint8(i * 6 + n)) % 50 || ' ref' || i
        || CASE WHEN i = 42 AND n = 0 THEN ' zugzwang' ELSE '' END || repeat(' please look at this again', 3),
    t.created_at + n * interval '10 minutes'
FROM (SELECT *, row_number() OVER (ORDER BY id) AS i FROM support.tickets) AS t, generate_series(0, %(replies)s) AS n
WHERE n = 0 OR t.status <> 'open' AND (n = 1 OR chance(i, 10) < 25)
ORDER BY i, n
"""

_CHANCE: Final = b"""
CREATE FUNCTION pg_temp.chance(number bigint, of int) RETURNS float LANGUAGE SQL IMMUTABLE AS
'SELECT (hashint8(number * 31 + of)::bigint & 65535) * 100.0 / 65536'
"""

_INDEXES: Final = b"""
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE schemaname = 'support' AND tablename IN ('tickets', 'messages') AND indexname NOT LIKE '%key'
"""


def fill(url: str, count: int, *, replies: int = 2) -> None:
    """Fill the empty tables of the database at `url` (as its administrator) with `count` tickets.

    Each has its first message and, if it is not open, up to `replies` more. The statistics are brought up to date, as
    autovacuum does in a running system.
    """
    values = {"count": count, "never": NEVER, "replies": replies}
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(_CHANCE)
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:  # many times faster to build when the rows are there
            connection.execute(f"DROP INDEX support.{name}".encode())
        for statement in (_TICKETS, _MESSAGES):
            connection.execute(statement.replace(" % ", " %% ").replace("chance(", "pg_temp.chance(").encode(), values)
        for _, definition in indexes:
            connection.execute(definition.encode())
        connection.execute(b"VACUUM ANALYZE support.tickets, support.messages")
