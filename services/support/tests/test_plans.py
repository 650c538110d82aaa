"""No list reads further than its page: proved by what PostgreSQL does on a table of 100,000 tickets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from chassis.database import PLANNER, Statement
from chassis.paging import COUNT_CAP
from chassis.search import blocks_between
from chassis.testing.plugin import Logins
from neoforge.support.v1 import tickets_pb2 as pb
from support import convert
from support.store import search, threads, tickets
from support.testing import crowd

AGENT = UUID("00000000-0000-0000-0000-0000000000a5")
CUSTOMER = UUID("00000000-0000-0000-0000-0000000000c5")
TICKET = UUID(int=500)
NOW = datetime.now(UTC)
IDS = [UUID(int=number) for number in range(1_000, 100_000, 199)]
FILTERS: list[dict[str, Any]] = [
    {},
    {"status": "open"},
    {"status": "closed"},
    {"priority": 4},
    {"status": "pending", "priority": 1},
    {"assignee_id": AGENT},
    {"assignee_id": UUID(int=0)},
    {"assignee_id": AGENT, "status": "open"},
    {"assignee_id": AGENT, "status": "open", "priority": 4},
    {"requester_id": CUSTOMER},
    {"customer": CUSTOMER},
    {"customer": CUSTOMER, "status": "open"},
    {"customer": CUSTOMER, "ids": IDS},
    {"labels": [crowd.BILLING]},
    {"labels": [crowd.VIP]},
    {"labels": [crowd.BILLING, crowd.VIP], "status": "closed"},
    {"labels": ["unheard of"]},
    {"now": NOW},
    {"now": NOW, "assignee_id": AGENT},
    {"ids": IDS},
    {"ids": IDS, "status": "open"},
    {"ids": [TICKET]},
]


@pytest.fixture
def loaded(database: Logins) -> Iterator[psycopg.Connection[Any]]:
    crowd.fill(database.admin, 100_000, replies=0)
    options: Any = {"row_factory": dict_row, "prepare_threshold": None, "options": PLANNER}
    with psycopg.connect(database.service, **options) as connection:
        yield connection


def read(connection: psycopg.Connection[Any], statement: Statement, values: dict[str, Any]) -> dict[str, int]:
    """Give how many rows each table gave up for a statement, those included that were thrown away."""
    explain = b"EXPLAIN (ANALYZE, FORMAT JSON) " + statement.sql
    row = connection.execute(explain, {**statement.constants, **values}).fetchone()
    assert row is not None
    rows: dict[str, int] = {}
    nodes = [row["QUERY PLAN"][0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        table = node.get("Relation Name")
        if table:
            assert node["Node Type"] != "Seq Scan", (statement.sql, values)
            thrown = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows[table] = rows.get(table, 0) + (node["Actual Rows"] + thrown) * node["Actual Loops"]
    return rows


def test_no_list_of_a_hundred_thousand_tickets_reads_far_beyond_its_page(loaded: psycopg.Connection[Any]) -> None:
    limits = {"limit": 21, "skip": 0, "reach": 21}
    worst: dict[str, tuple[int, str]] = {}
    for wanted in FILTERS:
        for order in set(convert._ORDERS.values()):
            listing = tickets._listing(order, frozenset(wanted))
            middle = {"key_0": _middle(order.columns[0]), "key_1": TICKET}
            for name, statement, values in (
                ("first", listing._first, limits),
                ("forward", listing._forward, limits | middle),
                ("backward", listing._backward, limits | middle),
                ("count", listing._count, {}),
            ):
                for table, rows in read(loaded, statement, wanted | values).items():
                    table = f"{table} by labels" if "labels" in wanted else table  # noqa: PLW2901 - it is told apart
                    worst[table] = max(worst.get(table, (0, "")), (rows, f"{name} {order.name} {wanted}"))
    for text in (crowd.COMMON, crowd.FREQUENT, crowd.RARE, "unheardof", f"{crowd.COMMON} {crowd.RARE}", "print"):
        parts = [f"'{name}'" for name in blocks_between(100_000, 1)]
        asked = {"text": text, "parts": parts, "requester_id": CUSTOMER}
        mentions = search.MENTIONS._statements(0, everything=False)
        found = (mentions.by_words, mentions.newest_by_beginnings, mentions.by_beginnings)
        for statement in (*found, *search._OWN[True]):
            for table, rows in read(loaded, statement, asked).items():
                worst[table] = max(worst.get(table, (0, "")), (rows, f"{statement.summary} {text}"))
    thread = limits | {"ticket_id": TICKET}
    for everything in (True, False):
        for paged in (
            threads._messages(convert.HISTORY_ORDER, with_notes=everything),
            threads._history(convert.HISTORY_ORDER, with_internal=everything),
        ):
            assert sum(read(loaded, paged._first, thread).values()) <= 3
    assert worst["tickets"][0] <= 5 * COUNT_CAP, worst
    # Of labels PostgreSQL either gathers all that match or walks the list; of 100,000 the lesser of both may be 14,000.
    assert worst["tickets by labels"][0] <= 20 * COUNT_CAP, worst
    assert worst["messages"][0] <= 5 * COUNT_CAP, worst


def _middle(column: str) -> Any:
    return 2 if column == "priority" else NOW


def test_every_order_of_the_api_is_tried() -> None:
    assert len(convert._ORDERS) == len(pb.TicketOrder.values())
