"""Whether lists and searches of the community take as long with 200,000 posts as with 2,000.

Run it from the root of the tree: `.venv/bin/python tests/bench/community_lists.py [SMALL LARGE CALLS]`.
Calls of both sizes alternate, so that whatever else the machine does touches both alike.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg

from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.identity import NOBODY, Caller
from chassis.migrations import runner
from chassis.service import RunningService
from chassis.settings import Environment
from chassis.testing.client import Client
from community.__main__ import SERVICE
from community.testing import load
from neoforge.community.v1 import posts_pb2, replies_pb2

PASSWORD = "bench-" + "0" * 40
FIRST = "01900000-0000-7000-8000-000000000001"
FILLER = 8
FACTOR = 1.5

ASKED: Mapping[str, tuple[str, Any]] = {
    f"list {order} {name}": (
        "ListPosts",
        posts_pb2.ListPostsRequest(order=posts_pb2.Order.Value(f"ORDER_{order}"), **query),
    )
    for order in ("HOT", "NEW", "TOP")
    for name, query in (
        ("all", {}),
        ("category", {"category": "ideas"}),
        ("tag", {"tag": "t3"}),
        ("unanswered", {"answered": posts_pb2.ANSWERED_NO}),
        ("category and answered", {"category": "questions", "answered": posts_pb2.ANSWERED_YES}),
        ("author", {"author_id": "018f0000-0000-7000-8000-000000000007"}),
        ("search everywhere", {"text": "everywhere"}),
        ("search every second", {"text": "often"}),
        ("search one word", {"text": "word777"}),
        ("search two words", {"text": "everywhere word777"}),
        ("search nothing", {"text": "nowhere"}),
    )
} | {
    "search one in twenty": ("ListPosts", posts_pb2.ListPostsRequest(order=posts_pb2.ORDER_NEW, text="sometimes")),
    "search one in a thousand": ("ListPosts", posts_pb2.ListPostsRequest(order=posts_pb2.ORDER_NEW, text="seldom")),
    "search the oldest tenth": ("ListPosts", posts_pb2.ListPostsRequest(order=posts_pb2.ORDER_NEW, text="ancient")),
    "replies": ("ListReplies", replies_pb2.ListRepliesRequest(post_id=FIRST)),
    "feed": ("ReadFeed", posts_pb2.ReadFeedRequest(category="ideas")),
}


async def serve(server: PostgreSQL, rows: int, stack: AsyncExitStack) -> Client:
    name = f"bench_{rows}"
    url = create_database(server.admin_url, name)
    create_service(url, SERVICE.name, PASSWORD, PASSWORD)
    owner = url_of(url, user="community_owner", password=PASSWORD)
    runner.upgrade(owner, SERVICE.migrations, SERVICE.tables)
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        load(connection, rows, filler=FILLER)
    print(f"{rows:,} posts loaded in {time.perf_counter() - started:.0f} s")
    settings = SERVICE.settings.model_validate(
        {
            "environment": Environment.TEST,
            "listen": "127.0.0.1:0",
            "ops_listen": "127.0.0.1:0",
            "database_url": url_of(url, user="community", password=PASSWORD),
            "cursor_secret": PASSWORD,
        }
    )
    running = RunningService(SERVICE, settings)
    await running.start()
    stack.push_async_callback(running.stop, 1)
    return await stack.enter_async_context(Client(f"127.0.0.1:{running.port}", None, SERVICE.descriptors))


async def ms(client: Client, caller: Caller, ask: tuple[str, Any]) -> float:
    started = time.perf_counter()
    await client(caller, *ask)
    return (time.perf_counter() - started) * 1000


async def run(small: int, large: int, calls: int) -> bool:
    slow = False
    async with AsyncExitStack() as stack:
        server = stack.enter_context(PostgreSQL(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
        clients = [await serve(server, rows, stack) for rows in (small, large)]
        everything: tuple[list[float], list[float]] = ([], [])
        print(f"{'':38} {small:>8,}: p50    p95 | {large:>8,}: p50    p95 | p95 ratio")
        for name, ask in ASKED.items():
            times: tuple[list[float], list[float]] = ([], [])
            for call in range(calls + 10):
                for client, taken in zip(clients, times, strict=True):
                    took = await ms(client, NOBODY, ask)
                    if call >= 10:  # prepared statements and caches are warm by then
                        taken.append(took)
            (p50, p95), (large_p50, large_p95) = map(quantiles, times)
            for all_of, taken in zip(everything, times, strict=True):
                all_of.extend(taken)
            print(f"{name:38} {p50:14.1f} {p95:6.1f} | {large_p50:14.1f} {large_p95:6.1f} | {large_p95 / p95:9.2f}")
        before, after = quantiles(everything[0])[1], quantiles(everything[1])[1]
        slow = after > before * FACTOR
        print(f"{'all together':38} {'':14} {before:6.1f} | {'':14} {after:6.1f} | {after / before:9.2f}")
    return slow


def quantiles(taken: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(taken, n=20)
    return cuts[9], cuts[18]


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [2_000, 200_000, 100]
    sys.exit(asyncio.run(run(*sizes)))
