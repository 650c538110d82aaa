"""Whether lists and searches of the community take as long with 200,000 posts as with 2,000.

Run it from the root of the tree: `.venv/bin/python tests/bench/community_lists.py [SMALL LARGE CALLS]`.
Calls of both sizes alternate, so that whatever else the machine does touches both alike.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from two_sizes import Ask, compare

from chassis.embedded.certificates import Authority
from chassis.embedded.postgresql import PostgreSQL, create_database, create_service, url_of
from chassis.identity import NOBODY, Caller
from chassis.migrations import runner
from chassis.service import RunningService
from chassis.settings import Environment
from chassis.testing.client import Client
from chassis.testing.plugin import tls_of
from community.__main__ import SERVICE
from community.testing import load
from neoforge.community.v1 import posts_pb2, replies_pb2

PASSWORD = "bench-" + "0" * 40
FIRST = "01900000-0000-7000-8000-000000000001"
FILLER = 8

SOMEONE = Caller(UUID("018f0000-0000-7000-8000-000000000009"), frozenset({"user"}), "s", "192.0.2.1")
AUTHOR = {"author_id": "018f0000-0000-7000-8000-000000000008"}


def listed(order: str, caller: Caller = NOBODY, *, deep: bool = False, **query: Any) -> Ask:
    request = posts_pb2.ListPostsRequest(order=posts_pb2.Order.Value(f"ORDER_{order}"), **query)
    return Ask(caller, "ListPosts", request, deep)


ASKED: Mapping[str, Ask] = {
    f"{order} {name}": listed(order, **query)
    for order in ("HOT", "NEW", "TOP")
    for name, query in (
        ("all", {}),
        ("all, signed in", {"caller": SOMEONE}),
        ("all, deep", {"deep": True}),
        ("category", {"category": "ideas"}),
        ("category, deep", {"category": "ideas", "deep": True}),
        ("tag", {"tag": "t3"}),
        ("unanswered", {"answered": posts_pb2.ANSWERED_NO}),
        ("category and answered", {"category": "questions", "answered": posts_pb2.ANSWERED_YES}),
        ("author", AUTHOR),
        ("search everywhere", {"text": "everywhere"}),
        ("search everywhere, signed in", {"text": "everywhere", "caller": SOMEONE}),
        ("search every second", {"text": "often"}),
        ("search one word", {"text": "word777"}),
        ("search two words", {"text": "everywhere word777"}),
        ("search two common words", {"text": "everywhere often"}),
        ("search nothing", {"text": "nowhere"}),
        ("search the beginning of a common word", {"text": "ever"}),
        ("search every second in a category", {"text": "often", "category": "ideas"}),
        ("search every second with a tag", {"text": "often", "tag": "t4"}),
        ("search every second, unanswered", {"text": "often", "answered": posts_pb2.ANSWERED_NO}),
    )
} | {
    "search one in twenty": listed("NEW", text="sometimes"),
    "search one in a thousand": listed("NEW", text="seldom"),
    "search the beginning of a rare word": listed("NEW", text="seld"),
    "search the oldest tenth": listed("NEW", text="ancient"),
    "search of an author": listed("NEW", text="often", **AUTHOR),
    "replies": Ask(NOBODY, "ListReplies", replies_pb2.ListRepliesRequest(post_id=FIRST)),
    "replies, deep": Ask(NOBODY, "ListReplies", replies_pb2.ListRepliesRequest(post_id=FIRST), deep=True),
    "feed": Ask(NOBODY, "ReadFeed", posts_pb2.ReadFeedRequest(category="ideas")),
}


async def serve(server: PostgreSQL, authority: Authority, rows: int, stack: AsyncExitStack) -> Client:
    name = f"bench_{rows}"
    url = create_database(server.admin_url, name)
    create_service(url, SERVICE.name, PASSWORD, PASSWORD)
    owner = url_of(url, user="community_owner", password=PASSWORD)
    runner.upgrade(owner, SERVICE.migrations, SERVICE.tables)
    started = time.perf_counter()
    with psycopg.connect(url) as connection:
        load(connection, rows, filler=FILLER)
    print(f"{rows:,} posts loaded in {time.perf_counter() - started:.0f} s")
    identity = authority.issue(SERVICE.name)
    settings = SERVICE.settings.model_validate(
        {
            "environment": Environment.TEST,
            "listen": "127.0.0.1:0",
            "ops_listen": "127.0.0.1:0",
            "tls_ca": identity.authority,
            "tls_certificate": identity.certificate,
            "tls_key": identity.key,
            "database_url": url_of(url, user="community", password=PASSWORD),
            "cursor_secret": PASSWORD,
        }
    )
    running = RunningService(SERVICE, settings)
    await running.start()
    stack.push_async_callback(running.stop, 1)
    return await stack.enter_async_context(
        Client(f"127.0.0.1:{running.port}", tls_of(authority.issue("gateway")), SERVICE.descriptors)
    )


async def run(small: int, large: int, calls: int) -> bool:
    with tempfile.TemporaryDirectory() as name, PostgreSQL(Path(name, "postgresql")) as server:
        authority = Authority(Path(name, "certificates"))
        return await compare(partial(serve, server, authority), ASKED, small, large, calls)


if __name__ == "__main__":
    sizes = [int(argument) for argument in sys.argv[1:]] or [2_000, 200_000, 100]
    sys.exit(asyncio.run(run(*sizes)))
