"""With 100,000 projects no list query of any filter and order scans a table."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain, combinations, product
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from chassis.database import Statement
from chassis.embedded.postgresql import PostgreSQL
from chassis.paging import MAX_OFFSET
from chassis.service import Service
from chassis.testing.plugin import logins
from projects import convert, store
from projects.model import Visibility

pytestmark = pytest.mark.xdist_group("plans of projects")  # they share one filled database

ROWS = 100_000
PERSON = UUID("018f0000-0000-7000-8000-000000000007")

# A thousand people with a hundred projects each. A third is public, one in a hundred archived; half have one label, ten
# another; everyone is a member in some projects of others.
FILL = f"""
INSERT INTO projects.projects
    (id, slug, name, description, status, visibility, owner_id, labels, created_at, updated_at, version)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'slug-' || n, 'Project ' || n % 5000, 'word' || n % 50 || ' rare' || n % 10000,
       CASE WHEN n % 100 = 0 THEN 'archived' ELSE 'active' END, CASE WHEN n % 3 = 0 THEN 'public' ELSE 'private' END,
       ('018f0000-0000-7000-8000-' || lpad((n % 1000)::text, 12, '0'))::uuid,
       ARRAY['rare' || n % 10000] || CASE WHEN n % 2 = 0 THEN ARRAY['common'] ELSE ARRAY[]::text[] END,
       timestamptz '2026-01-01' + n * interval '1 minute', timestamptz '2026-06-01' + n % 777 * interval '1 minute', 1
FROM generate_series(1, {ROWS}) AS n;
INSERT INTO projects.members (project_id, user_id, role, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, ('018f0000-0000-7000-8000-' || lpad(((n + 1) % 1000)::text, 12, '0'))::uuid,
       'viewer', now()
FROM generate_series(1, {ROWS}, 4) AS n;
"""  # noqa: S608 - nothing here comes from outside

VALUES: dict[str, Any] = {
    "person": PERSON,
    "status": "archived",
    "labels": ["rare77"],
    "owner_id": UUID("018f0000-0000-7000-8000-000000000012"),
    "text": "rare77 word",
}
OFTEN = {"status": "active", "labels": ["common"], "text": "word7"}
FILTERS = ("status", "labels", "owner_id", "text")
SETS = [frozenset(chosen) for chosen in chain.from_iterable(combinations(FILTERS, n) for n in range(len(FILTERS) + 1))]
ORDERS = sorted(set(convert._ORDERS.values()), key=lambda order: order.name)
KEYS = {
    "created_at": datetime(2026, 2, 1, tzinfo=UTC),
    "updated_at": datetime(2026, 6, 1, 5, tzinfo=UTC),
    "name": "Project 2500",
    "id": UUID(int=50_000),
}


@pytest.fixture(scope="module")
def filled(
    postgresql: PostgreSQL, template: Callable[[Service[Any]], str], service: Service[Any]
) -> Iterator[psycopg.Connection[Any]]:
    name = f"filled_{uuid4().hex}"
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template(service)}".encode())
    with psycopg.connect(logins(postgresql.admin_url, name, service.name).admin, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute("VACUUM ANALYZE")
        yield connection
    with psycopg.connect(postgresql.admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def plan(connection: psycopg.Connection[Any], statement: Statement, values: dict[str, Any]) -> dict[str, Any]:
    explained = b"EXPLAIN (FORMAT JSON) " + statement.sql
    row = connection.execute(explained, {**statement.constants, **values}).fetchone()
    assert row is not None
    made: dict[str, Any] = row[0][0]["Plan"]
    return made


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("visibility", [None, *Visibility])
def test_no_list_query_scans_a_table(
    filled: psycopg.Connection[Any], order: Any, visibility: Visibility | None
) -> None:
    scans = []
    for chosen, (size, often) in product(SETS, product((20, 100), ({}, OFTEN))):
        listing = store._listing(order, visibility, frozenset({"person", *chosen}))
        values = VALUES | {f"key_{i}": KEYS[column] for i, column in enumerate(order.columns)}
        values |= {"limit": size + 1, "skip": 0, "reach": size + 1} | often
        for name in ("_first", "_forward", "_backward", "_count"):
            found = plan(filled, getattr(listing, name), values)
            scans += [(sorted(chosen), name, n["Relation Name"]) for n in nodes(found) if n["Node Type"] == "Seq Scan"]
        deep = {"skip": MAX_OFFSET - size, "reach": MAX_OFFSET + 1}
        found = plan(filled, listing._first, values | deep)
        scans += [(sorted(chosen), "deep", n["Relation Name"]) for n in nodes(found) if n["Node Type"] == "Seq Scan"]
    assert not scans
