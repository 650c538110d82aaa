from collections.abc import Awaitable, Callable
from typing import Any

from chassis.identity import Caller
from chassis.testing.client import Client
from neoforge.support.v1 import canned_replies_pb2 as pb

Refused = Callable[[Awaitable[Any]], Awaitable[str]]


async def create(call: Client, caller: Caller, title: str = "Thanks", body: str = "Thank you!") -> pb.CannedReply:
    made: pb.CannedReply = (
        await call(caller, "CreateCannedReply", pb.CreateCannedReplyRequest(title=title, body=body))
    ).canned_reply
    return made


def change(canned: pb.CannedReply, version: int = 0, **fields: str) -> pb.UpdateCannedReplyRequest:
    request = pb.UpdateCannedReplyRequest(canned_reply=pb.CannedReply(id=canned.id, **fields), expected_version=version)
    request.update_mask.paths.extend(fields)
    return request


async def test_agents_share_canned_replies(call: Client, refused: Refused, tomas: Caller, ines: Caller) -> None:
    made = await create(call, tomas)
    assert (made.version, made.author_id) == (1, str(tomas.subject))
    get = pb.GetCannedReplyRequest(id=made.id)
    assert (await call(ines, "GetCannedReply", get)).canned_reply == made
    changed = (await call(ines, "UpdateCannedReply", change(made, 1, title="Many thanks"))).canned_reply
    assert (changed.title, changed.body, changed.version) == ("Many thanks", made.body, 2)
    assert (await call(ines, "UpdateCannedReply", change(made, title="Many thanks"))).canned_reply == changed
    assert await refused(call(tomas, "UpdateCannedReply", change(made, 1, body="x"))) == "VERSION_MISMATCH"
    assert (
        await call(tomas, "GetCannedReply", pb.GetCannedReplyRequest(id=made.id, unless_version=2))
    ).unchanged_version == 2
    gone = pb.DeleteCannedReplyRequest(id=made.id, expected_version=1)
    assert await refused(call(tomas, "DeleteCannedReply", gone)) == "VERSION_MISMATCH"
    await call(tomas, "DeleteCannedReply", pb.DeleteCannedReplyRequest(id=made.id))
    assert await refused(call(tomas, "GetCannedReply", get)) == "NOT_FOUND"


async def test_canned_replies_are_listed_by_title(call: Client, tomas: Caller) -> None:
    for title in ("b", "a", "c", "B"):
        await create(call, tomas, title)
    first = await call(tomas, "ListCannedReplies", pb.ListCannedRepliesRequest(page_size=3))
    request = pb.ListCannedRepliesRequest(page_size=3, cursor=first.page.next_cursor)
    rest = await call(tomas, "ListCannedReplies", request)
    assert [c.title for c in (*first.canned_replies, *rest.canned_replies)] == ["B", "a", "b", "c"]


async def test_customers_have_no_canned_replies(call: Client, refused: Refused, mara: Caller, tomas: Caller) -> None:
    made = await create(call, tomas)
    for method, request in (
        ("CreateCannedReply", pb.CreateCannedReplyRequest(title="a", body="b")),
        ("GetCannedReply", pb.GetCannedReplyRequest(id=made.id)),
        ("ListCannedReplies", pb.ListCannedRepliesRequest()),
        ("UpdateCannedReply", change(made, title="Mine")),
        ("DeleteCannedReply", pb.DeleteCannedReplyRequest(id=made.id)),
    ):
        assert await refused(call(mara, method, request)) == "FORBIDDEN"
        assert await refused(call(Caller(), method, request)) == "UNAUTHENTICATED"


async def test_a_canned_reply_needs_a_title_and_a_text(call: Client, refused: Refused, tomas: Caller) -> None:
    for title, body in (("", "b"), ("a", ""), ("x" * 201, "b"), ("a\n", "b"), ("a", "\0")):
        assert await refused(create(call, tomas, title, body)) == "INVALID_FIELDS"
