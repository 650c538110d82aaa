import pytest

from chassis.errors import RemoteError
from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from neoforge.community.v1 import content_pb2, posts_pb2


async def write(call: Client, person: Caller, title: str = "Hello", **fields: object) -> posts_pb2.Post:
    request = posts_pb2.CreatePostRequest(**{"category": "general", "title": title, "body": "Some *text*.", **fields})  # type: ignore[arg-type] # a test's own fields
    return (await call(person, "CreatePost", request)).post  # type: ignore[no-any-return] # the client knows no types


async def get(call: Client, person: Caller, post_id: str) -> posts_pb2.Post:
    return (await call(person, "GetPost", posts_pb2.GetPostRequest(id=post_id))).post  # type: ignore[no-any-return] # as above


async def refusal(call: Client, person: Caller, method: str, request: object) -> RemoteError:
    with pytest.raises(RemoteError) as refused:
        await call(person, method, request)  # type: ignore[arg-type] # every message
    return refused.value


async def test_everyone_reads_a_post_as_it_was_published(call: Client, mara: Caller) -> None:
    made = await write(call, mara, title="R&D <beta>", body="a && b, `c && d`", tags=["c++", "ideas"])
    read = await get(call, NOBODY, made.id)
    assert read == made
    assert (read.title, read.body) == ("R&D <beta>", "a && b, `c && d`")
    assert read.html == "<p>a &amp;&amp; b, <code>c &amp;&amp; d</code></p>\n"
    assert (read.excerpt, read.status, read.version) == ("a && b, c && d", content_pb2.STATUS_PUBLISHED, 1)
    assert (read.author_id, list(read.tags)) == (str(mara.subject), ["c++", "ideas"])


async def test_a_list_holds_the_post_without_its_body(call: Client, mara: Caller) -> None:
    made = await write(call, mara)
    listed = await call(NOBODY, "ListPosts", posts_pb2.ListPostsRequest())
    [row] = listed.posts
    assert (row.post.id, row.post.excerpt, row.post.body, row.post.html) == (made.id, "Some text.", "", "")
    assert (row.activity.reply_count, row.activity.points) == (0, 0)
    assert (listed.page.total, listed.page.total_exact) == (1, True)
