import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.plugin import person
from community.testing import Community, of_post, of_reply
from neoforge.community.v1 import content_pb2, posts_pb2

Refused = Callable[[Awaitable[Any]], Awaitable[RemoteError]]
LIKE, LOVE = content_pb2.REACTION_KIND_LIKE, content_pb2.REACTION_KIND_LOVE


async def test_a_person_reacts_once_per_kind_however_often_they_say_it(
    community: Community, mara: Caller, oskar: Caller
) -> None:
    post = await community.post(mara)
    for _ in range(2):
        assert await community.react(oskar, of_post(post), LIKE) == {LIKE: 1}
    assert await community.react(oskar, of_post(post), LOVE) == {LIKE: 1, LOVE: 1}
    assert await community.react(mara, of_post(post), LIKE) == {LIKE: 2, LOVE: 1}
    for _ in range(2):
        assert await community.unreact(oskar, of_post(post), LIKE) == {LIKE: 1, LOVE: 1}
    assert await community.unreact(oskar, of_post(post), LOVE) == {LIKE: 1}
    activity = await community.activity(post.id, mara)
    assert [(r.kind, r.count, r.mine) for r in activity.reactions] == [(LIKE, 1, True)]
    assert activity.points == 1
    assert [r.mine for r in (await community.activity(post.id, oskar)).reactions] == [False]
    assert [r.mine for r in (await community.activity(post.id)).reactions] == [False]


async def test_replies_are_reacted_to_as_well_without_points_for_the_post(
    community: Community, mara: Caller, oskar: Caller
) -> None:
    post = await community.post(mara)
    reply = await community.reply(mara, post.id)
    assert await community.react(oskar, of_reply(reply), LOVE) == {LOVE: 1}
    [row] = await community.thread(post.id, oskar)
    assert [(r.kind, r.count, r.mine) for r in row.reactions] == [(LOVE, 1, True)]
    assert (await community.activity(post.id)).points == 2


async def test_counts_and_scores_are_right_when_a_crowd_reacts_and_changes_its_mind_at_once(
    community: Community, mara: Caller, tomas: Caller
) -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    post = await community.post(mara, tags=["a", "b"])
    crowd = [person(100 + n) for n in range(12)]
    last: dict[tuple[int, int], bool] = {}

    async def one(n: int) -> None:
        for _ in range(6):
            kind, gives = chance.choice([LIKE, LOVE]), chance.random() < 0.6
            last[n, kind] = gives
            await (community.react if gives else community.unreact)(crowd[n], of_post(post), kind)

    async def edits() -> None:
        for n in range(5):
            request = posts_pb2.UpdatePostRequest(post=posts_pb2.Post(id=post.id, tags=[f"t{n}", "a"]))
            request.update_mask.paths.append("tags")
            await community.call(mara, "UpdatePost", request)
            await community.reply(tomas, post.id)

    await asyncio.gather(edits(), *(one(n) for n in range(len(crowd))))
    expected = {kind: sum(gives for (_, k), gives in last.items() if k == kind) for kind in (LIKE, LOVE)}
    activity = await community.activity(post.id)
    assert {r.kind: r.count for r in activity.reactions} == {k: n for k, n in expected.items() if n}
    assert activity.points == sum(expected.values()) + 2 * 5
    # Every row that lists walk says the same.
    for tag in ("", "a", "t4"):
        [row] = (await community.listed(tag=tag, order=posts_pb2.ORDER_TOP)).posts
        assert row.activity == activity


async def test_what_is_not_there_cannot_be_reacted_to(community: Community, mara: Caller, refused: Refused) -> None:
    post = await community.post(mara)
    assert (await refused(community.react(NOBODY, of_post(post)))).reason == "UNAUTHENTICATED"
    nowhere = content_pb2.Subject(post_id=str(uuid4()))
    assert (await refused(community.react(mara, nowhere))).reason == "NOT_FOUND"
    assert (await refused(community.react(mara, content_pb2.Subject(reply_id=str(uuid4()))))).reason == "NOT_FOUND"
    for subject, kind, field in (
        (content_pb2.Subject(), LIKE, "subject"),
        (content_pb2.Subject(post_id="x"), LIKE, "subject.post_id"),
        (of_post(post), 0, "kind"),
        (of_post(post), 99, "kind"),
    ):
        assert [v.field for v in (await refused(community.react(mara, subject, kind))).violations] == [field]
