from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from chassis.testing.plugin import Logins
from community.testing import Community, of_post, of_reply
from neoforge.community.v1 import content_pb2, moderation_pb2, posts_pb2, replies_pb2

Refused = Callable[[Awaitable[Any]], Awaitable[RemoteError]]
HIDE, RESTORE = moderation_pb2.DECISION_HIDE, moderation_pb2.DECISION_RESTORE
DISMISS = moderation_pb2.DECISION_DISMISS
HIDDEN, DISMISSED = moderation_pb2.CASE_STATE_HIDDEN, moderation_pb2.CASE_STATE_DISMISSED


async def test_reports_open_a_case_once_and_each_person_reports_once(
    community: Community, mara: Caller, oskar: Caller, tomas: Caller, ines: Caller, refused: Refused
) -> None:
    post = await community.post(mara, body="Buy *now*")
    await community.report(oskar, of_post(post), note="Third time today")
    assert (await refused(community.report(oskar, of_post(post)))).reason == "ALREADY_REPORTED"
    await community.report(ines, of_post(post), reason=moderation_pb2.REPORT_REASON_OFF_TOPIC)
    [case] = await community.cases(tomas)
    assert (case.subject, case.post_id, case.author_id) == (of_post(post), post.id, post.author_id)
    assert (case.excerpt, list(case.notes), case.decision_reason) == ("Buy now", ["Third time today"], "")
    assert [(r.reason, r.count) for r in case.reports] == [
        (moderation_pb2.REPORT_REASON_SPAM, 1),
        (moderation_pb2.REPORT_REASON_OFF_TOPIC, 1),
    ]
    assert (await refused(community.report(mara, of_post(post)))).violations[0].field == "subject"
    assert (await refused(community.report(NOBODY, of_post(post)))).reason == "UNAUTHENTICATED"


async def test_the_queue_is_for_moderators_and_oldest_first(
    community: Community, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    posts = [await community.post(mara) for _ in range(3)]
    for post in reversed(posts):
        await community.report(oskar, of_post(post))
    assert [case.post_id for case in await community.cases(tomas)] == [post.id for post in reversed(posts)]
    assert (await refused(community.cases(mara))).reason == "FORBIDDEN"
    assert (await refused(community.decide(mara, of_post(posts[0]), HIDE))).reason == "FORBIDDEN"
    assert (
        await refused(community.call(mara, "ListActions", moderation_pb2.ListActionsRequest()))
    ).reason == "FORBIDDEN"


async def test_a_hidden_post_is_there_for_its_author_and_moderators_alone_and_says_why(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    rita = replace(oskar, subject=UUID(int=9))
    post = await community.post(mara, title="Hidden soon")
    reply = await community.reply(oskar, post.id)
    await community.report(oskar, of_post(post))
    case = await community.decide(tomas, of_post(post), HIDE, "Advertising")
    assert (case.state, case.decision_reason) == (HIDDEN, "Advertising")
    assert await community.cases(tomas) == []
    for reader in (NOBODY, oskar):
        for asked in (
            community.get(post.id, reader),
            community.thread(post.id, reader),
            community.activity(post.id, reader),
        ):
            assert (await refused(asked)).reason == "NOT_FOUND"
        for query in ({}, {"text": "hidden"}, {"author_id": str(mara.subject)}):
            assert await community.titles(reader, **query) == []
    for reader in (NOBODY, rita):
        assert (await refused(community.get_reply(reply.id, reader))).reason == "NOT_FOUND"
    assert (await community.get_reply(reply.id, oskar)).body == reply.body
    await call(oskar, "DeleteReply", replies_pb2.DeleteReplyRequest(id=reply.id))
    assert (await refused(community.get_reply(reply.id, oskar))).reason == "NOT_FOUND"
    assert (await refused(community.react(oskar, of_post(post)))).reason == "NOT_FOUND"
    assert (await refused(community.report(oskar, of_post(post)))).reason == "NOT_FOUND"
    for reader in (mara, tomas):
        shown = await community.get(post.id, reader)
        assert (shown.status, shown.hidden_reason, shown.version) == (content_pb2.STATUS_HIDDEN, "Advertising", 2)
        assert await community.titles(reader) == []
        assert await community.titles(reader, author_id=str(mara.subject)) == ["Hidden soon"]
    restored = await community.decide(tomas, of_post(post), RESTORE, "A mistake")
    assert restored.state == DISMISSED
    again = await community.get(post.id)
    assert (again.status, again.hidden_reason, again.version) == (content_pb2.STATUS_PUBLISHED, "", 3)
    assert await community.titles() == ["Hidden soon"]


async def test_a_hidden_reply_is_seen_by_its_author_and_moderators_and_holds_its_place_above_others(
    community: Community, call: Client, mara: Caller, oskar: Caller, tomas: Caller, refused: Refused
) -> None:
    post = await community.post(mara)
    answer = posts_pb2.SetAcceptedAnswerRequest(post_id=post.id)
    leaf, parent = await community.reply(oskar, post.id, "Leaf"), await community.reply(oskar, post.id, "Parent")
    await community.reply(mara, post.id, "Child", parent.id)
    answer.reply_id = leaf.id
    await call(mara, "SetAcceptedAnswer", answer)
    for reply in (leaf, parent):
        await community.decide(tomas, of_reply(reply), HIDE, "Rude")
    assert (await community.get(post.id)).accepted_reply_id == ""
    for reader in (NOBODY, mara):
        assert [row.reply.body for row in await community.thread(post.id, reader)] == ["", "Child"]
        assert (await refused(community.get_reply(leaf.id, reader))).reason == "NOT_FOUND"
    for reader in (oskar, tomas):
        rows = [row.reply for row in await community.thread(post.id, reader)]
        assert [(row.body, row.hidden_reason) for row in rows] == [("Leaf", "Rude"), ("Parent", "Rude"), ("Child", "")]
    assert (await community.activity(post.id)).reply_count == 1
    await community.decide(tomas, of_reply(leaf), RESTORE, "Not so bad")
    assert [row.reply.body for row in await community.thread(post.id)] == ["Leaf", "", "Child"]
    assert (await community.activity(post.id)).reply_count == 2


async def test_dismissed_reports_leave_the_queue_until_someone_else_reports(
    community: Community, mara: Caller, oskar: Caller, tomas: Caller, ines: Caller
) -> None:
    post = await community.post(mara)
    await community.report(oskar, of_post(post))
    assert (await community.decide(tomas, of_post(post), DISMISS, "All fine")).state == DISMISSED
    assert await community.cases(tomas) == []
    assert (await community.get(post.id)).version == 1
    await community.report(ines, of_post(post))
    [case] = await community.cases(tomas)
    assert (case.decision_reason, sum(r.count for r in case.reports)) == ("All fine", 2)


async def test_everything_that_moderators_do_to_others_is_logged_last_first(
    community: Community, call: Client, mara: Caller, tomas: Caller
) -> None:
    post = await community.post(mara)
    reply = await community.reply(mara, post.id)
    await call(tomas, "SetPinned", posts_pb2.SetPinnedRequest(post_id=post.id, pinned=True))
    await call(tomas, "SetLocked", posts_pb2.SetLockedRequest(post_id=post.id, locked=True))
    for _ in range(2):  # the second time changes nothing
        await community.decide(tomas, of_reply(reply), HIDE, "Rude")
    await call(tomas, "DeleteReply", replies_pb2.DeleteReplyRequest(id=reply.id))
    await community.delete(tomas, (await community.post(tomas)).id)
    log = await call(tomas, "ListActions", moderation_pb2.ListActionsRequest(post_id=post.id))
    kinds = ("DELETE", "HIDE", "LOCK", "PIN")
    assert [moderation_pb2.ActionKind.Name(action.kind) for action in log.actions] == [
        f"ACTION_KIND_{kind}" for kind in kinds
    ]
    assert {action.moderator_id for action in log.actions} == {str(tomas.subject)}
    assert [action.reason for action in log.actions] == ["", "Rude", "", ""]
    assert [action.subject for action in log.actions] == [of_reply(reply)] * 2 + [of_post(post)] * 2
    assert (await call(tomas, "ListActions", moderation_pb2.ListActionsRequest())).page.total == 4


def test_the_service_can_neither_change_nor_remove_what_stands_in_the_log(database: Logins) -> None:
    with psycopg.connect(database.service, autocommit=True) as service:
        service.execute("SELECT count(*) FROM community.moderation_log")
        for statement in ("UPDATE community.moderation_log SET reason = ''", "DELETE FROM community.moderation_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(statement)


async def test_a_decision_needs_a_reason_and_something_to_decide_about(
    community: Community, call: Client, mara: Caller, tomas: Caller, refused: Refused
) -> None:
    post = await community.post(mara)
    for subject, decision, reason, field in (
        (of_post(post), HIDE, "", "reason"),
        (of_post(post), HIDE, "x" * 501, "reason"),
        (of_post(post), 0, "Why not", "decision"),
        (content_pb2.Subject(), HIDE, "Why not", "subject"),
    ):
        refusal = await refused(community.decide(tomas, subject, decision, reason))
        assert [violation.field for violation in refusal.violations] == [field]
    await community.report(tomas, of_post(post))
    await community.delete(mara, post.id)
    assert (await refused(community.decide(tomas, of_post(post), HIDE))).reason == "NOT_FOUND"
    [case] = await community.cases(tomas, moderation_pb2.CASE_STATE_DELETED)
    assert (case.excerpt, case.author_id) == ("", str(mara.subject))
