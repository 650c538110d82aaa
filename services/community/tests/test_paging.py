"""What can be promised of lists that move while someone turns their pages."""

import random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.plugin import Logins, person
from community.testing import Community, load, of_post
from neoforge.community.v1 import moderation_pb2, posts_pb2

HOT, NEW, TOP = posts_pb2.ORDER_HOT, posts_pb2.ORDER_NEW, posts_pb2.ORDER_TOP


async def test_each_order_is_what_it_says(community: Community, mara: Caller) -> None:
    posts = [await community.post(mara, title=str(n)) for n in range(4)]
    for who, liked in ((1, 1), (2, 1), (3, 0)):
        await community.react(person(200 + who), of_post(posts[liked]))
    await community.reply(mara, posts[3].id)
    assert await community.titles(order=NEW) == ["3", "2", "1", "0"]
    assert await community.titles(order=TOP) == ["3", "1", "0", "2"]  # equal points by id, the newest first
    # Written within seconds of each other, they differ by their points alone; one point is worth none.
    assert (await community.titles(order=HOT))[:2] == ["3", "1"]


async def test_filters_are_those_of_the_posts(community: Community, call: Client, mara: Caller, oskar: Caller) -> None:
    one = await community.post(mara, title="One", category="ideas", tags=["a", "b"], body="Hyphen-ated words")
    await community.post(oskar, title="Two", category="ideas", tags=["b"])
    await community.post(oskar, title="Three", tags=["a"], body="Others")
    reply = await community.reply(oskar, one.id)
    await call(mara, "SetAcceptedAnswer", posts_pb2.SetAcceptedAnswerRequest(post_id=one.id, reply_id=reply.id))
    expected: list[tuple[dict[str, Any], list[str]]] = [
        ({"category": "ideas"}, ["Two", "One"]),
        ({"category": "showcase"}, []),
        ({"tag": "a"}, ["Three", "One"]),
        ({"tag": "b", "category": "ideas"}, ["Two", "One"]),
        ({"author_id": str(oskar.subject)}, ["Three", "Two"]),
        ({"answered": posts_pb2.ANSWERED_YES}, ["One"]),
        ({"answered": posts_pb2.ANSWERED_NO}, ["Three", "Two"]),
        ({"answered": posts_pb2.ANSWERED_NO, "tag": "b", "author_id": str(oskar.subject)}, ["Two"]),
        ({"text": "hyph WOR"}, ["One"]),
        ({"text": "hyphen-ated"}, ["One"]),
        ({"text": "oth"}, ["Three"]),
        ({"text": "t"}, ["Three", "Two"]),
        ({"text": "text", "category": "ideas"}, ["Two"]),
        ({"text": "text", "tag": "b", "author_id": str(oskar.subject)}, ["Two"]),
        ({"text": "t", "category": "ideas", "answered": posts_pb2.ANSWERED_NO}, ["Two"]),
        ({"text": "words", "answered": posts_pb2.ANSWERED_NO}, []),
        ({"text": "words others"}, []),
        ({"text": "!?"}, []),
    ]
    for query, titles in expected:
        found = await community.listed(order=NEW, **query)
        assert ([row.post.title for row in found.posts], found.page.total) == (titles, len(titles)), query


async def test_a_search_follows_what_becomes_of_posts(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller
) -> None:
    hidden = await community.post(mara, title="Rockets", tags=["it's"])
    await community.post(oskar, title="Rockets again")
    own = {"author_id": str(mara.subject)}
    assert await community.titles(text="rockets", tag="it's") == ["Rockets"]
    await community.decide(tomas, of_post(hidden), moderation_pb2.DECISION_HIDE)
    for caller, query, titles in (
        (NOBODY, {}, ["Rockets again"]),
        (mara, {}, ["Rockets again"]),
        (NOBODY, own, []),
        (mara, own, ["Rockets"]),
        (tomas, own, ["Rockets"]),
    ):
        for text in ("rockets", "rock"):
            found = await community.listed(caller, text=text, **query)
            assert ([row.post.title for row in found.posts], found.page.total) == (titles, len(titles)), (query, text)
    await community.decide(tomas, of_post(hidden), moderation_pb2.DECISION_RESTORE)
    change = posts_pb2.UpdatePostRequest(
        post=posts_pb2.Post(id=hidden.id, category="ideas"), update_mask=FieldMask(paths=["category"])
    )
    await call(mara, "UpdatePost", change)
    assert await community.titles(text="rockets", category="ideas") == ["Rockets"]
    await community.delete(mara, hidden.id)
    assert await community.titles(text="rockets", category="ideas") == []


async def test_of_very_many_the_newest_are_found_with_the_pinned_and_the_head_of_the_list(
    community: Community, database: Logins
) -> None:
    with psycopg.connect(database.admin) as connection:
        load(connection, 3_000)
        connection.execute("UPDATE community.activity SET reaction_count = 9000 WHERE post_id = %s", [_loaded(9)])
        connection.execute("UPDATE community.entries SET points = 9000 WHERE post_id = %s", [_loaded(9)])
    newest = await community.listed(order=NEW, text="everywhere")
    assert [row.post.id for row in newest.posts[:3]] == [str(_loaded(n)) for n in (3, 3_000, 2_999)]
    assert (newest.page.total, newest.page.total_exact) == (200, False)
    top = await community.listed(order=TOP, text="everywhere")
    assert [row.post.id for row in top.posts[:2]] == [str(_loaded(n)) for n in (3, 9)]
    assert not top.page.total_exact
    seen: list[str] = []
    cursor = ""
    while True:
        page = await community.listed(order=TOP, text="everywhere", page_size=100, cursor=cursor)
        seen += [row.post.id for row in page.posts]
        cursor = page.page.next_cursor
        if not cursor:
            break
    assert len(seen) == len(set(seen)) == top.page.total


def _loaded(n: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{n:012x}")


@pytest.mark.parametrize("order", [HOT, TOP])
async def test_each_post_comes_at_most_once_and_each_that_stayed_exactly_once_while_a_crowd_reacts(
    community: Community, database: Logins, mara: Caller, order: int
) -> None:
    chance = random.Random(order)  # noqa: S311 - repeatable, not secret
    crowd = [person(300 + n) for n in range(4)]
    posts = [await community.post(mara, title=str(n)) for n in range(14)]
    given: set[tuple[int, int]] = set()

    async def toggle(n: int, who: int) -> None:
        key = (n, who)
        await (community.unreact if key in given else community.react)(crowd[who], of_post(posts[n]))
        given.symmetric_difference_update({key})

    for _ in range(30):
        await toggle(chance.randrange(14), chance.randrange(4))
    pass_time(database)
    for _ in range(3):
        moved: set[int] = set()
        seen: list[str] = []
        cursor = ""
        while True:
            page = await community.listed(NOBODY, order=order, page_size=3, cursor=cursor)
            seen += [row.post.id for row in page.posts]
            cursor = page.page.next_cursor
            if not cursor:
                break
            for _ in range(2):
                n = chance.randrange(14)
                moved.add(n)
                await toggle(n, chance.randrange(4))
        assert len(seen) == len(set(seen))
        stayed = {post.id for n, post in enumerate(posts) if n not in moved}
        assert stayed <= set(seen)
        pass_time(database)


def pass_time(database: Logins) -> None:
    """Let it be long ago that anything fell: a walk takes the last ten seconds for its own."""
    with psycopg.connect(database.admin) as connection:
        connection.execute("UPDATE community.activity SET fell_at = fell_at - interval '1 hour'")
        connection.execute("UPDATE community.entries SET fell_at = fell_at - interval '1 hour'")
