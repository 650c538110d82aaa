import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from community.testing import Community
from neoforge.community.v1 import content_pb2, posts_pb2, replies_pb2

Refused = Callable[[Awaitable[Any]], Awaitable[RemoteError]]


def edit(post: posts_pb2.Post, version: int = 0, **fields: Any) -> posts_pb2.UpdatePostRequest:
    return posts_pb2.UpdatePostRequest(
        post=posts_pb2.Post(id=post.id, **fields), update_mask=FieldMask(paths=list(fields)), expected_version=version
    )


async def test_everyone_reads_a_post_as_it_was_published(community: Community, mara: Caller) -> None:
    made = await community.post(mara, title="R&D <beta>", body="a && b, `c && d`", tags=["c++", "ideas"])
    read = await community.get(made.id, NOBODY)
    assert read == made
    assert (read.title, read.body) == ("R&D <beta>", "a && b, `c && d`")
    assert read.html == "<p>a &amp;&amp; b, <code>c &amp;&amp; d</code></p>\n"
    assert (read.excerpt, read.status, read.version) == ("a && b, c && d", content_pb2.STATUS_PUBLISHED, 1)
    assert (read.author_id, list(read.tags)) == (str(mara.subject), ["c++", "ideas"])


async def test_text_comes_back_the_same_however_often_it_is_edited(
    community: Community, call: Client, mara: Caller
) -> None:
    made = await community.post(mara, title="R&D <beta>", body="```\nVec<u16> a && b\n```\n")
    for _ in range(2):
        read = await community.get(made.id)
        await call(mara, "UpdatePost", edit(read, title=read.title, body=read.body))
    again = await community.get(made.id)
    assert (again.title, again.body, again.html, again.version) == (made.title, made.body, made.html, 1)
    assert again.html == "<pre><code>Vec&lt;u16&gt; a &amp;&amp; b\n</code></pre>\n"


async def test_text_is_kept_character_by_character(community: Community, mara: Caller) -> None:
    for text in (
        "😀 👩‍👩‍👧 \u202eright to left\u202c שלום",
        "a\r\nb\tc\u2028d",
        "'; DROP TABLE posts; --",
        "e\u0301 \ufeff \uffff \u00a0",
        '![\\" onerror=alert(1) ](x) <script>alert(1)</script>',
    ):
        made = await community.post(mara, body=text)
        assert (await community.get(made.id)).body == text


BROKEN: list[tuple[dict[str, Any], list[str]]] = [
    ({"title": ""}, ["title"]),
    ({"title": " ", "body": ""}, ["title", "body"]),
    ({"title": "a\nb"}, ["title"]),
    ({"title": "a\u202eb"}, ["title"]),
    ({"title": "x" * 201, "category": ""}, ["title", "category"]),
    ({"body": "NUL \x00"}, ["body"]),
    ({"body": "x" * 40_001}, ["body"]),
    ({"body": "x" * 1_000_000}, ["body"]),
    ({"body": ">" * 10_000 + "a"}, ["body"]),
    ({"category": "nowhere"}, ["category"]),
    ({"category": "NUL \x00"}, ["category"]),
    ({"tags": ["a", "b", "c", "d", "e", "f"]}, ["tags"]),
    ({"tags": ["a", "a", "B", "c d", "e,f"]}, ["tags[1]", "tags[2]", "tags[3]", "tags[4]"]),
    ({"tags": ["", "nul\x00"]}, ["tags[0]", "tags[1]"]),
]


async def test_a_post_that_breaks_the_rules_is_refused_with_every_field_named(
    community: Community, mara: Caller, refused: Refused
) -> None:
    for fields, named in BROKEN:
        refusal = await refused(community.post(mara, **fields))
        assert refusal.reason == "INVALID_FIELDS"
        assert [violation.field for violation in refusal.violations] == named
    assert await community.titles() == []


async def test_nobody_writes_without_signing_in(community: Community, refused: Refused) -> None:
    assert (await refused(community.post(NOBODY))).reason == "UNAUTHENTICATED"


async def test_an_edit_moves_the_version_and_says_when(community: Community, call: Client, mara: Caller) -> None:
    made = await community.post(mara)
    tagged = (await call(mara, "UpdatePost", edit(made, version=1, tags=["news"], category="ideas"))).post
    assert (tagged.version, tagged.HasField("edited_at"), tagged.category) == (2, False, "ideas")
    edited = (await call(mara, "UpdatePost", edit(made, version=2, body="*Else*"))).post
    assert (edited.version, edited.html, edited.excerpt) == (3, "<p><em>Else</em></p>\n", "Else")
    assert edited.edited_at == edited.updated_at
    assert await community.get(made.id) == edited


async def test_an_edit_meant_for_another_version_is_refused(
    community: Community, call: Client, mara: Caller, refused: Refused
) -> None:
    made = await community.post(mara)
    await call(mara, "UpdatePost", edit(made, title="Second"))
    refusal = await refused(call(mara, "UpdatePost", edit(made, version=1, title="Third")))
    assert (refusal.reason, refusal.metadata["version"]) == ("VERSION_MISMATCH", "2")
    assert (await community.get(made.id)).title == "Second"


async def test_of_two_edits_of_one_version_one_wins(
    community: Community, call: Client, mara: Caller, tomas: Caller
) -> None:
    made = await community.post(mara)
    both = [call(who, "UpdatePost", edit(made, version=1, title=str(who.subject))) for who in (mara, tomas)]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    [won] = [outcome.post for outcome in outcomes if not isinstance(outcome, BaseException)]
    [lost] = [outcome for outcome in outcomes if isinstance(outcome, RemoteError)]
    assert lost.reason == "VERSION_MISMATCH"
    assert await community.get(made.id) == won


async def test_others_may_not_edit_or_delete_a_post_but_moderators_may(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    made = await community.post(mara)
    assert (await refused(call(oskar, "UpdatePost", edit(made, title="Mine")))).reason == "FORBIDDEN"
    assert (await refused(community.delete(oskar, made.id))).reason == "FORBIDDEN"
    assert (await call(tomas, "UpdatePost", edit(made, title="Tidier"))).post.title == "Tidier"
    await community.delete(tomas, made.id)
    assert (await refused(community.get(made.id))).reason == "NOT_FOUND"


async def test_a_deleted_post_stays_without_its_text_while_there_is_a_conversation_under_it(
    community: Community, mara: Caller, oskar: Caller, refused: Refused
) -> None:
    made = await community.post(mara, title="Secret plans", body="Nobody must know", tags=["secret"])
    answer = await community.reply(oskar, made.id, "I know")
    await community.delete(mara, made.id)
    left = await community.get(made.id, mara)
    assert (left.status, left.title, left.body, left.html, left.excerpt, list(left.tags)) == (
        content_pb2.STATUS_DELETED,
        *("", "", "", ""),
        [],
    )
    assert left.version == 2
    assert [row.reply.body for row in await community.thread(made.id)] == ["I know"]
    assert await community.titles() == []
    assert await community.titles(text="secret") == []
    assert (await refused(community.reply(oskar, made.id))).reason == "NOT_FOUND"
    assert (await refused(community.delete(mara, made.id))).reason == "NOT_FOUND"
    await community.call(oskar, "DeleteReply", replies_pb2.DeleteReplyRequest(id=answer.id))
    assert (await refused(community.get(made.id))).reason == "NOT_FOUND"


async def test_a_reader_who_has_the_version_is_told_so_until_it_moves(
    community: Community, call: Client, mara: Caller, oskar: Caller
) -> None:
    made = await community.post(mara)
    known = posts_pb2.GetPostRequest(id=made.id, unless_version=1)
    await community.react(oskar, content_pb2.Subject(post_id=made.id))
    await community.reply(oskar, made.id)
    assert (await call(NOBODY, "GetPost", known)).unchanged_version == 1
    await call(mara, "UpdatePost", edit(made, title="Else"))
    assert (await call(NOBODY, "GetPost", known)).post.version == 2


async def test_the_author_or_a_moderator_accepts_one_reply_as_the_answer(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    made = await community.post(mara)
    first, second = await community.reply(oskar, made.id), await community.reply(tomas, made.id)
    other = await community.reply(oskar, (await community.post(mara)).id)

    def accept(who: Caller, reply_id: str) -> Awaitable[Any]:
        request = posts_pb2.SetAcceptedAnswerRequest(post_id=made.id, reply_id=reply_id)
        return call(who, "SetAcceptedAnswer", request)

    assert (await refused(accept(oskar, first.id))).reason == "FORBIDDEN"
    assert (await refused(accept(mara, other.id))).reason == "INVALID_FIELDS"
    assert (await refused(accept(mara, str(uuid4())))).reason == "INVALID_FIELDS"
    assert (await accept(mara, first.id)).post.version == 2
    assert (await accept(mara, first.id)).post.version == 2
    assert (await accept(tomas, second.id)).post.accepted_reply_id == second.id
    assert await community.titles(answered=posts_pb2.ANSWERED_YES) == ["Hello"]
    await call(tomas, "DeleteReply", replies_pb2.DeleteReplyRequest(id=second.id))
    assert (await community.get(made.id)).accepted_reply_id == ""
    assert await community.titles(answered=posts_pb2.ANSWERED_YES) == []
    assert (await accept(mara, "")).post.version == 4


async def test_a_moderator_pins_and_locks_and_others_may_not(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    old, _ = await community.post(mara, title="Old"), await community.post(mara, title="New")
    pin = posts_pb2.SetPinnedRequest(post_id=old.id, pinned=True)
    lock = posts_pb2.SetLockedRequest(post_id=old.id, locked=True)
    assert (await refused(call(mara, "SetPinned", pin))).reason == "FORBIDDEN"
    assert (await refused(call(mara, "SetLocked", lock))).reason == "FORBIDDEN"
    for _ in range(2):
        assert (await call(tomas, "SetPinned", pin)).post.version == 2
    assert (await call(tomas, "SetLocked", lock)).post.locked
    for order in (posts_pb2.ORDER_HOT, posts_pb2.ORDER_NEW, posts_pb2.ORDER_TOP):
        assert await community.titles(order=order) == ["Old", "New"]
    refusal = await refused(community.reply(oskar, old.id))
    assert (refusal.reason, refusal.message) == ("POST_LOCKED", "this post is locked: it takes no more replies")
    assert (await community.reply(tomas, old.id)).depth == 1
    unlock = posts_pb2.SetLockedRequest(post_id=old.id, locked=False)
    assert not (await call(tomas, "SetLocked", unlock)).post.locked
    assert (await community.reply(oskar, old.id)).depth == 1


async def test_the_feed_holds_the_newest_posts_in_full_pinned_or_not(
    community: Community, call: Client, mara: Caller, tomas: Caller, refused: Refused
) -> None:
    first = await community.post(mara, title="First")
    for n in range(20):
        await community.post(mara, title=f"Idea {n}", category="ideas", body=f"*{n}*")
    await call(tomas, "SetPinned", posts_pb2.SetPinnedRequest(post_id=first.id, pinned=True))
    feed = await call(NOBODY, "ReadFeed", posts_pb2.ReadFeedRequest())
    assert [post.title for post in feed.posts] == [f"Idea {n}" for n in reversed(range(20))]
    assert feed.posts[0].html == "<p><em>19</em></p>\n"
    general = await call(NOBODY, "ReadFeed", posts_pb2.ReadFeedRequest(category="general"))
    assert (general.category_name, [post.title for post in general.posts]) == ("General", ["First"])
    for nowhere in ("nowhere", "NUL \x00"):
        unknown = call(NOBODY, "ReadFeed", posts_pb2.ReadFeedRequest(category=nowhere))
        assert (await refused(unknown)).reason == "NOT_FOUND"
