"""No list reads further than its page: proved by what PostgreSQL does on tables of 100,000 rows."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from chassis.database import PLANNER, Statement
from chassis.paging import COUNT_CAP, Listing
from chassis.testing.plugin import Logins
from status.model.maintenances import LONGEST, Phase
from status.store import components, incidents, maintenances, subscribers

COMPONENT = UUID(int=7)
NOW = datetime.now(UTC)
LIMITS: dict[str, Any] = {"limit": 21, "skip": 0, "reach": 21}
MIDDLE = {"key_0": NOW - LONGEST, "key_1": UUID(int=500)}

# A year of everything, every row some minutes after the one before; what is rare (an outage, an open incident, impact
# critical) is so by its place as well: far from where a list begins.
FILL = """
INSERT INTO status.components
SELECT lpad(to_hex(n), 32, '0')::uuid, 'c' || n, 'C' || n, '', NULL, n, now() - interval '1 year', now(), 1
FROM generate_series(1, 200) AS n;

INSERT INTO status.status_events
SELECT gen_random_uuid(), lpad(to_hex(1 + n % 200), 32, '0')::uuid,
    CASE WHEN n < 300 THEN 'major_outage' ELSE 'operational' END, '', 'prober', NULL, NULL,
    now() - interval '1 year' + n * interval '5 minutes'
FROM generate_series(1, 100000) AS n;

INSERT INTO status.incidents
SELECT lpad(to_hex(n), 32, '0')::uuid, 'Slow', CASE WHEN n < 300 THEN 'monitoring' ELSE 'resolved' END,
    CASE WHEN n < 200 THEN 'critical' ELSE 'minor' END, '{}', now() - interval '1 year' + n * interval '5 minutes',
    now(), NULL, NULL, 1
FROM generate_series(1, 100000) AS n;

INSERT INTO status.incident_updates
SELECT gen_random_uuid(), id, status, 'Over.', id, created_at FROM status.incidents;

INSERT INTO status.maintenances
SELECT gen_random_uuid(), 'Disks', '', '{}', created_at, created_at + interval '1 hour', now(), now(), 1
FROM status.incidents;

INSERT INTO status.subscribers
SELECT lpad(to_hex(n), 32, '0')::uuid, n || '@example.test', n || '@example.test', 'en',
    now() - n * interval '1 minute', now(), CASE WHEN n % 2 = 0 THEN now() END
FROM generate_series(1, 100000) AS n;

ANALYZE
"""


@pytest.fixture
def loaded(database: Logins) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.admin, autocommit=True) as admin:
        admin.execute(FILL.encode())
    options: Any = {"row_factory": dict_row, "prepare_threshold": None, "options": PLANNER}
    with psycopg.connect(database.service, **options) as connection:
        yield connection


def read(connection: psycopg.Connection[Any], statement: Statement, **values: Any) -> int:
    """Give how many rows the tables gave up for a statement, those included that were thrown away."""
    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement.sql
    row = connection.execute(explain, {**statement.constants, **values}).fetchone()
    assert row is not None
    rows, nodes = 0, [row["QUERY PLAN"][0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Relation Name" in node:
            assert node["Node Type"] != "Seq Scan" or node["Relation Name"] in {"components", "groups"}, statement.sql
            thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows += (node["Actual Rows"] + thrown) * node["Actual Loops"]
    return rows


def lists() -> Iterator[tuple[str, Listing, dict[str, Any]]]:
    """Every list with every set of its filters."""
    for of_one, status in product((False, True), (None, "operational", "major_outage")):
        given: dict[str, Any] = {"component_id": COMPONENT} if of_one else {}
        given |= {"status": status} if status else {}
        yield f"events {given}", components.events_listing(frozenset(given)), given
    for only_open, status, impact in product(
        (False, True), (None, "resolved", "monitoring"), (None, "minor", "critical")
    ):
        given = {"status": status} if status else {}
        given |= {"impact": impact} if impact else {}
        yield f"incidents {only_open} {given}", incidents.listing(only_open, frozenset(given)), given
    for phase in (None, *Phase):
        yield f"maintenances {phase}", maintenances.listing(phase), maintenances.parameters(phase, NOW)
    yield "subscribers", subscribers.LISTING, {}


def test_nothing_of_a_hundred_thousand_rows_is_read_but_what_is_shown(loaded: psycopg.Connection[Any]) -> None:
    each_list_reads_its_page(loaded)
    the_page_and_the_bars_read_what_they_show(loaded)


def each_list_reads_its_page(loaded: psycopg.Connection[Any]) -> None:
    for name, listing, given in lists():
        for statement, values in (
            (listing._first, LIMITS),
            (listing._forward, LIMITS | MIDDLE),
            (listing._backward, LIMITS | MIDDLE),
        ):
            assert read(loaded, statement, **given, **values) <= 330, (name, statement.sql)
        assert read(loaded, listing._count, **given) <= 2 * COUNT_CAP, name


def the_page_and_the_bars_read_what_they_show(loaded: psycopg.Connection[Any]) -> None:
    assert read(loaded, components._ALL) <= 2 * 200
    assert read(loaded, incidents._OPEN) <= incidents.MOST_OPEN
    assert read(loaded, incidents._UPDATES, ids=[UUID(int=n) for n in range(1, 51)]) <= 50
    assert read(loaded, maintenances._AHEAD, now=NOW, earliest=NOW - LONGEST) <= 50
    one = read(loaded, components._SINCE, since=NOW - 3 * LONGEST, id=COMPONENT)
    assert one <= 200
    assert read(loaded, subscribers._CONFIRMED, after=UUID(int=5), limit=200) <= 200
    assert read(loaded, subscribers._FORGET, before=NOW - LONGEST) <= 2_000
