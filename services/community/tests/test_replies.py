from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from community.testing import Community
from neoforge.community.v1 import content_pb2, replies_pb2

Refused = Callable[[Awaitable[Any]], Awaitable[RemoteError]]


def edit(reply: replies_pb2.Reply, body: str, version: int = 0) -> replies_pb2.UpdateReplyRequest:
    return replies_pb2.UpdateReplyRequest(
        reply=replies_pb2.Reply(id=reply.id, body=body), update_mask=FieldMask(paths=["body"]), expected_version=version
    )


def delete(reply: replies_pb2.Reply, version: int = 0) -> replies_pb2.DeleteReplyRequest:
    return replies_pb2.DeleteReplyRequest(id=reply.id, expected_version=version)


async def test_replies_stand_below_what_they_answer_in_the_order_of_their_time(
    community: Community, mara: Caller, oskar: Caller
) -> None:
    post = await community.post(mara)
    first = await community.reply(oskar, post.id, "1")
    await community.reply(mara, post.id, "2")
    below = await community.reply(mara, post.id, "1.1", first.id)
    await community.reply(oskar, post.id, "3")
    await community.reply(oskar, post.id, "1.2", first.id)
    await community.reply(oskar, post.id, "1.1.1", below.id)
    rows = [row.reply for row in await community.thread(post.id)]
    assert [(row.body, row.depth) for row in rows] == [
        ("1", 1),
        ("1.1", 2),
        ("1.1.1", 3),
        ("1.2", 2),
        ("2", 1),
        ("3", 1),
    ]
    assert (rows[1].parent_id, rows[0].parent_id) == (first.id, "")
    activity = await community.activity(post.id)
    assert (activity.reply_count, activity.points) == (6, 12)
    assert activity.last_activity_at == rows[2].created_at


async def test_beyond_the_depth_of_eight_replies_stand_beside_each_other(community: Community, mara: Caller) -> None:
    post = await community.post(mara)
    parent = ""
    for n in range(12):
        parent = (await community.reply(mara, post.id, str(n), parent)).id
    rows = [row.reply for row in await community.thread(post.id)]
    assert [row.body for row in rows] == [str(n) for n in range(12)]
    assert [row.depth for row in rows] == [*range(1, 9), 8, 8, 8, 8]
    assert [row.parent_id for row in rows[1:]] == [row.id for row in rows[:-1]]


async def test_pages_of_a_thread_hold_each_reply_once_whatever_is_written_meanwhile(
    community: Community, mara: Caller
) -> None:
    post = await community.post(mara)
    roots = [(await community.reply(mara, post.id, f"root {n}")).id for n in range(4)]
    for n, root in enumerate(roots):
        await community.reply(mara, post.id, f"below {n}", root)
    before = [row.reply.id for row in await community.thread(post.id)]
    seen: list[str] = []
    cursor = ""
    while True:
        request = replies_pb2.ListRepliesRequest(post_id=post.id, page_size=3, cursor=cursor)
        page = await community.call(NOBODY, "ListReplies", request)
        seen += [row.reply.id for row in page.replies]
        cursor = page.page.next_cursor
        if not cursor:
            break
        await community.reply(mara, post.id, "late", roots[0])
        await community.reply(mara, post.id, "last")
    assert [id_ for id_ in seen if id_ in before] == before
    assert len(seen) == len(set(seen))


async def test_a_reply_is_edited_and_deleted_by_its_author_and_moderators_alone(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    post = await community.post(mara)
    reply = await community.reply(oskar, post.id, "a < b")
    assert reply.html == "<p>a &lt; b</p>\n"
    assert (await refused(call(mara, "UpdateReply", edit(reply, "mine")))).reason == "FORBIDDEN"
    assert (await refused(call(mara, "DeleteReply", delete(reply)))).reason == "FORBIDDEN"
    edited = (await call(oskar, "UpdateReply", edit(reply, "a > b", version=1))).reply
    assert (edited.body, edited.version, edited.edited_at) == ("a > b", 2, edited.updated_at)
    assert (await call(tomas, "UpdateReply", edit(reply, "a > b"))).reply.version == 2
    assert (await refused(call(oskar, "UpdateReply", edit(reply, "c", version=1)))).reason == "VERSION_MISMATCH"
    known = replies_pb2.GetReplyRequest(id=reply.id, unless_version=2)
    assert (await call(NOBODY, "GetReply", known)).unchanged_version == 2
    assert (await refused(call(oskar, "DeleteReply", delete(reply, version=1)))).reason == "VERSION_MISMATCH"
    await call(tomas, "DeleteReply", delete(reply, version=2))
    assert (await refused(community.get_reply(reply.id))).reason == "NOT_FOUND"
    assert await community.thread(post.id) == []
    assert (await community.activity(post.id)).points == 0


async def test_a_deleted_reply_stays_without_author_and_text_above_those_to_it(
    community: Community, call: Client, mara: Caller, oskar: Caller, refused: Refused
) -> None:
    post = await community.post(mara)
    reply = await community.reply(oskar, post.id, "Secret")
    await community.react(mara, content_pb2.Subject(reply_id=reply.id))
    await community.reply(mara, post.id, "Below", reply.id)
    await call(oskar, "DeleteReply", delete(reply))
    top, below = await community.thread(post.id, oskar)
    assert (top.reply.id, top.reply.status, top.reply.version) == (reply.id, content_pb2.STATUS_DELETED, 2)
    assert (top.reply.author_id, top.reply.body, top.reply.html, list(top.reactions)) == ("", "", "", [])
    assert (below.reply.body, below.reply.depth) == ("Below", 2)
    assert (await community.activity(post.id)).reply_count == 1
    assert (await refused(call(oskar, "UpdateReply", edit(reply, "again")))).reason == "NOT_FOUND"
    assert (await refused(community.reply(mara, post.id, "More", reply.id))).reason == "INVALID_FIELDS"


async def test_a_reply_that_breaks_the_rules_is_refused(community: Community, mara: Caller, refused: Refused) -> None:
    post, other = await community.post(mara), await community.post(mara)
    elsewhere = await community.reply(mara, other.id)
    for body in ("", " \n", "x" * 10_001, "\x00", ">" * 5_000):
        assert [v.field for v in (await refused(community.reply(mara, post.id, body))).violations] == ["body"]
    for parent in (elsewhere.id, str(uuid4()), "x"):
        refusal = await refused(community.reply(mara, post.id, "Hi", parent))
        assert [v.field for v in refusal.violations] == ["parent_id"]
    assert (await refused(community.reply(mara, str(uuid4())))).reason == "NOT_FOUND"
    assert (await refused(community.reply(NOBODY, post.id))).reason == "UNAUTHENTICATED"
    assert await community.thread(post.id) == []


async def test_a_page_of_the_longest_replies_arrives(community: Community, call: Client, mara: Caller) -> None:
    post = await community.post(mara)
    longest = "&" * 2_000 + "😀" * 8_000
    for _ in range(60):
        await community.reply(mara, post.id, longest)
    page = await call(NOBODY, "ListReplies", replies_pb2.ListRepliesRequest(post_id=post.id, page_size=100))
    assert [row.reply.body for row in page.replies] == [longest] * 60
    assert page.ByteSize() > 4 * 1024 * 1024  # gRPC's own limit
