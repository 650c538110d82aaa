from typing import Any

import feedparser
import httpx
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import Forbidden, NotFound
from gateway.testing.community import StandInCommunity
from neoforge.common.v1.page_pb2 import Page
from neoforge.community.v1 import categories_pb2, content_pb2, moderation_pb2, posts_pb2, reactions_pb2, replies_pb2

ROOT = "/api/v1/community"
ID = "018f0000-0000-7000-9000-000000000001"
REPLY = "018f0000-0000-7000-9000-000000000002"
AUTHOR = "018f0000-0000-7000-8000-000000000003"
PATH = f"{ROOT}/posts"
ITEM = f"{PATH}/{ID}"
MOMENT = Timestamp(seconds=1_700_000_000, nanos=123_456_000)
WRITTEN = "2023-11-14T22:13:20.123456Z"
KEY = {"Idempotency-Key": '"k1"'}
ONE = Page(total=1, total_exact=True, page=1, page_size=20)


def a_post(**fields: Any) -> posts_pb2.Post:
    values = {
        "id": ID,
        "category": "questions",
        "author_id": AUTHOR,
        "title": "R&D <beta>",
        "body": "a && b",
        "html": "<p>a &amp;&amp; b</p>\n",
        "excerpt": "a && b",
        "tags": ["c++"],
        "status": content_pb2.STATUS_PUBLISHED,
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "version": 7,
        **fields,
    }
    return posts_pb2.Post(**values)


EXCERPT = {
    "id": ID,
    "category": "questions",
    "author_id": AUTHOR,
    "title": "R&D <beta>",
    "excerpt": "a && b",
    "tags": ["c++"],
    "status": "published",
    "hidden_reason": None,
    "pinned": False,
    "locked": False,
    "accepted_reply_id": None,
    "created_at": WRITTEN,
    "updated_at": WRITTEN,
    "edited_at": None,
    "version": 7,
}
POST = {**EXCERPT, "body": "a && b", "html": "<p>a &amp;&amp; b</p>\n"}
ACTIVITY = content_pb2.Activity(
    reactions=[content_pb2.Reaction(kind=content_pb2.REACTION_KIND_LIKE, count=2, mine=True)],
    reply_count=3,
    points=8,
    last_activity_at=MOMENT,
)
SHOWN_ACTIVITY = {
    "reactions": [{"kind": "like", "count": 2, "mine": True}],
    "reply_count": 3,
    "points": 8,
    "last_activity_at": WRITTEN,
}


def test_everyone_reads_a_post_and_may_keep_it_for_a_short_while(
    client: httpx.Client, ines: httpx.Client, community: StandInCommunity
) -> None:
    community.posts.replies["GetPost"] = posts_pb2.GetPostResponse(post=a_post())
    answer = client.get(ITEM)
    assert (answer.status_code, answer.json(), answer.headers["ETag"]) == (200, POST, '"7"')
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    assert "Authorization" in answer.headers["Vary"]
    signed_in = ines.get(ITEM)
    assert (signed_in.json(), signed_in.headers["Cache-Control"]) == (POST, "private, no-cache")
    community.posts.replies["GetPost"] = posts_pb2.GetPostResponse(unchanged_version=7)
    asked = {"If-None-Match": '"7"', "Cache-Control": "no-cache"}
    unchanged = client.get(ITEM, headers=asked)
    assert (unchanged.status_code, unchanged.headers["Cache-Control"]) == (304, "public, max-age=5")
    assert community.posts.asked[-1] == posts_pb2.GetPostRequest(id=ID, unless_version=7)


def test_a_token_that_is_no_good_is_refused_even_where_none_is_needed(client: httpx.Client) -> None:
    answer = client.get(ITEM, headers={"Authorization": "Bearer none"})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (401, "no-store")
    assert client.post(PATH, json={}, headers=KEY).status_code == 401


def test_nobody_in_particular_has_a_quota_by_address(client: httpx.Client, community: StandInCommunity) -> None:
    community.posts.replies["GetPost"] = posts_pb2.GetPostResponse(post=a_post())
    statuses = [client.get(ITEM).status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2


def test_a_list_passes_its_filters_on_and_shows_what_readers_made_of_each_post(
    client: httpx.Client, ines: httpx.Client, community: StandInCommunity
) -> None:
    page = Page(total=1_000, total_exact=False, page=1, page_size=20, next_cursor="n")
    row = posts_pb2.ListedPost(post=a_post(body="", html=""), activity=ACTIVITY)
    community.posts.replies["ListPosts"] = posts_pb2.ListPostsResponse(posts=[row], page=page)
    query = {"category": "questions", "tag": "c++", "answered": "no", "text": "a b", "order": "top", "author": "me"}
    answer = ines.get(PATH, params=query)
    assert answer.json()["items"] == [{**EXCERPT, "activity": SHOWN_ACTIVITY}]
    assert "tag=c%2B%2B" in answer.headers["Link"]
    assert community.posts.asked[-1] == posts_pb2.ListPostsRequest(
        category="questions",
        tag="c++",
        answered=posts_pb2.ANSWERED_NO,
        text="a b",
        order=posts_pb2.ORDER_TOP,
        author_id="018f0000-0000-7000-8000-000000000001",
        page_size=20,
    )
    anonymous = client.get(PATH)
    assert anonymous.headers["Cache-Control"] == "public, max-age=5"
    again = client.get(PATH, headers={"If-None-Match": anonymous.headers["ETag"]})
    assert again.status_code == 304
    assert client.get(PATH, params={"author": "me"}).status_code == 401
    assert client.get(PATH, params={"order": "best"}).status_code == 422


def test_a_post_is_published_once_changed_and_deleted(ines: httpx.Client, community: StandInCommunity) -> None:
    community.posts.replies["CreatePost"] = posts_pb2.CreatePostResponse(post=a_post())
    new = {"category": "questions", "title": "R&D <beta>", "body": "a && b", "tags": ["c++"]}
    made = ines.post(PATH, json=new, headers=KEY)
    assert (made.status_code, made.headers["Location"], made.headers["ETag"], made.json()) == (201, ITEM, '"7"', POST)
    assert community.posts.asked == [posts_pb2.CreatePostRequest(**new)]
    community.posts.replies["UpdatePost"] = posts_pb2.UpdatePostResponse(post=a_post(version=8))
    changed = ines.patch(ITEM, json={"title": "New", "tags": None}, headers={"If-Match": '"7"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"8"')
    asked = community.posts.asked[-1]
    assert (asked.expected_version, list(asked.update_mask.paths), asked.post.title) == (7, ["tags", "title"], "New")
    assert ines.delete(ITEM, headers={"If-Match": '"8"'}).status_code == 204
    assert community.posts.asked[-1] == posts_pb2.DeletePostRequest(id=ID, expected_version=8)
    for body in ({}, {"title": ""}, {"body": "x" * 40_001}, {"title": "NUL \x00"}, {"author_id": AUTHOR}):
        assert ines.patch(ITEM, json=body).status_code == 422
    assert ines.patch(ITEM, json={"body": "x" * 1_100_000}).status_code == 413


def test_states_are_put_and_taken_away(ines: httpx.Client, community: StandInCommunity) -> None:
    for name, method, field in (("pin", "SetPinned", "pinned"), ("lock", "SetLocked", "locked")):
        for verb, value in (("PUT", True), ("DELETE", False)):
            community.posts.replies[method] = getattr(posts_pb2, f"{method}Response")(post=a_post())
            assert ines.request(verb, f"{ITEM}/{name}").json() == POST
            assert getattr(community.posts.asked[-1], field) is value
    community.posts.replies["SetAcceptedAnswer"] = posts_pb2.SetAcceptedAnswerResponse(
        post=a_post(accepted_reply_id=REPLY)
    )
    accepted = ines.put(f"{ITEM}/accepted-answer", json={"reply_id": REPLY})
    assert accepted.json()["accepted_reply_id"] == REPLY
    assert ines.delete(f"{ITEM}/accepted-answer").status_code == 200
    assert [asked.reply_id for asked in community.posts.asked[-2:]] == [REPLY, ""]


def test_reactions_answer_with_all_of_them(
    ines: httpx.Client, client: httpx.Client, community: StandInCommunity
) -> None:
    community.reactions.replies["AddReaction"] = reactions_pb2.AddReactionResponse(reactions=ACTIVITY.reactions)
    for path, subject in (
        (ITEM, content_pb2.Subject(post_id=ID)),
        (f"{ROOT}/replies/{REPLY}", content_pb2.Subject(reply_id=REPLY)),
    ):
        answer = ines.put(f"{path}/reactions/like")
        assert (answer.status_code, answer.json()) == (200, {"reactions": SHOWN_ACTIVITY["reactions"]})
        asked = community.reactions.asked[-1]
        assert (asked.subject, asked.kind) == (subject, content_pb2.REACTION_KIND_LIKE)
        assert ines.delete(f"{path}/reactions/thanks").json() == {"reactions": []}
        assert ines.put(f"{path}/reactions/hate").status_code == 404
        assert client.put(f"{path}/reactions/like").status_code == 401
    community.reactions.replies["GetActivity"] = reactions_pb2.GetActivityResponse(activity=ACTIVITY)
    assert client.get(f"{ITEM}/activity").json() == SHOWN_ACTIVITY


def test_replies_are_listed_written_changed_and_deleted(
    ines: httpx.Client, client: httpx.Client, community: StandInCommunity
) -> None:
    reply = replies_pb2.Reply(
        id=REPLY,
        post_id=ID,
        depth=1,
        author_id=AUTHOR,
        body="Hi",
        html="<p>Hi</p>\n",
        status=content_pb2.STATUS_PUBLISHED,
        created_at=MOMENT,
        updated_at=MOMENT,
        version=1,
    )
    shown = {
        "id": REPLY,
        "post_id": ID,
        "parent_id": None,
        "depth": 1,
        "author_id": AUTHOR,
        "body": "Hi",
        "html": "<p>Hi</p>\n",
        "status": "published",
        "hidden_reason": None,
        "created_at": WRITTEN,
        "updated_at": WRITTEN,
        "edited_at": None,
        "version": 1,
    }
    community.replies.replies |= {
        "CreateReply": replies_pb2.CreateReplyResponse(reply=reply),
        "GetReply": replies_pb2.GetReplyResponse(reply=reply),
        "UpdateReply": replies_pb2.UpdateReplyResponse(reply=reply),
        "ListReplies": replies_pb2.ListRepliesResponse(replies=[replies_pb2.ListedReply(reply=reply)], page=ONE),
    }
    made = ines.post(f"{ITEM}/replies", json={"body": "Hi"}, headers=KEY)
    path = f"{ROOT}/replies/{REPLY}"
    assert (made.status_code, made.headers["Location"], made.json()) == (201, path, shown)
    assert client.get(f"{ITEM}/replies").json()["items"] == [{**shown, "reactions": []}]
    assert client.get(path).json() == shown
    assert ines.patch(path, json={"body": "Ho"}, headers={"If-Match": '"1"'}).json() == shown
    assert community.replies.asked[-1].expected_version == 1
    assert ines.delete(path).status_code == 204


def test_categories_are_for_all_to_read_and_for_moderators_to_change(
    ines: httpx.Client, client: httpx.Client, community: StandInCommunity
) -> None:
    category = categories_pb2.Category(
        slug="news", name="News", position=3, created_at=MOMENT, updated_at=MOMENT, version=1
    )
    shown = {
        "slug": "news",
        "name": "News",
        "description": "",
        "position": 3,
        "created_at": WRITTEN,
        "updated_at": WRITTEN,
        "version": 1,
    }
    community.categories.replies |= {
        "CreateCategory": categories_pb2.CreateCategoryResponse(category=category),
        "GetCategory": categories_pb2.GetCategoryResponse(category=category),
        "UpdateCategory": categories_pb2.UpdateCategoryResponse(category=category),
        "ListCategories": categories_pb2.ListCategoriesResponse(categories=[category]),
    }
    path = f"{ROOT}/categories"
    listed = client.get(path)
    assert (listed.json()["items"], listed.headers["Cache-Control"]) == ([shown], "public, max-age=5")
    made = ines.post(path, json={"slug": "news", "name": "News"}, headers=KEY)
    assert (made.status_code, made.headers["Location"]) == (201, f"{path}/news")
    assert client.get(f"{path}/news").json() == shown
    assert ines.patch(f"{path}/news", json={"position": 3}).json() == shown
    assert ines.delete(f"{path}/news").status_code == 204
    community.categories.replies["CreateCategory"] = Forbidden("this needs the role admin or agent")
    assert ines.post(path, json={"slug": "news", "name": "News"}, headers=KEY).status_code == 403


def test_moderators_see_cases_decide_and_look_into_the_log(ines: httpx.Client, community: StandInCommunity) -> None:
    subject = content_pb2.Subject(reply_id=REPLY)
    case = moderation_pb2.Case(
        subject=subject,
        post_id=ID,
        author_id=AUTHOR,
        excerpt="Buy",
        state=moderation_pb2.CASE_STATE_OPEN,
        reports=[moderation_pb2.ReportCount(reason=moderation_pb2.REPORT_REASON_OFF_TOPIC, count=2)],
        notes=["Again"],
        opened_at=MOMENT,
    )
    shown = {
        "kind": "reply",
        "id": REPLY,
        "post_id": ID,
        "author_id": AUTHOR,
        "excerpt": "Buy",
        "state": "open",
        "reports": [{"reason": "off_topic", "count": 2}],
        "notes": ["Again"],
        "opened_at": WRITTEN,
        "decision_reason": None,
    }
    action = moderation_pb2.Action(
        id=ID, kind=moderation_pb2.ACTION_KIND_HIDE, subject=subject, post_id=ID, moderator_id=AUTHOR, created_at=MOMENT
    )
    community.moderation.replies |= {
        "ListCases": moderation_pb2.ListCasesResponse(cases=[case], page=ONE),
        "DecideCase": moderation_pb2.DecideCaseResponse(case=case),
        "ListActions": moderation_pb2.ListActionsResponse(actions=[action], page=ONE),
    }
    queue = ines.get(f"{ROOT}/moderation/queue")
    assert (queue.json()["items"], queue.headers["Cache-Control"]) == ([shown], "private, no-cache")
    assert community.moderation.asked[-1].state == moderation_pb2.CASE_STATE_OPEN
    for decision in ("hide", "restore", "dismiss"):
        for path in (f"posts/{ID}", f"replies/{REPLY}"):
            answer = ines.post(f"{ROOT}/moderation/{path}/{decision}", json={"reason": "Because"})
            assert (answer.status_code, answer.json()) == (200, shown)
            asked = moderation_pb2.Decision.Name(community.moderation.asked[-1].decision)
            assert asked == f"DECISION_{decision.upper()}"
    [entry] = ines.get(f"{ROOT}/moderation/log", params={"post": ID}).json()["items"]
    assert (entry["action"], entry["kind"], entry["subject_id"]) == ("hide", "reply", REPLY)
    for path in (ITEM, f"{ROOT}/replies/{REPLY}"):
        assert ines.post(f"{path}/reports", json={"reason": "spam", "note": "Look"}).status_code == 204
        asked = community.moderation.asked[-1]
        assert (asked.reason, asked.note) == (moderation_pb2.REPORT_REASON_SPAM, "Look")


def test_a_feed_reader_reads_the_feed_whatever_the_text_holds(
    client: httpx.Client, community: StandInCommunity
) -> None:
    html = "<p>a &amp;&amp; b]]&gt; \ufffe\uffff 😀</p>\n"
    hostile = a_post(title="R&D <beta> ]]> \ufffe", html=html, tags=["a&b", '"q"'])
    community.posts.replies["ReadFeed"] = posts_pb2.ReadFeedResponse(
        category_name="Q & A", posts=[hostile, a_post(id=REPLY)]
    )
    answer = client.get(f"{ROOT}/feed.atom", params={"category": "questions"})
    assert answer.headers["Content-Type"] == "application/atom+xml"
    assert answer.headers["Cache-Control"] == "public, max-age=5"
    read = feedparser.parse(answer.content)
    assert (read.bozo, read.version, read.feed.title) == (False, "atom10", "Community: Q & A")
    assert read.feed.id.endswith(f"{ROOT}/feed.atom?category=questions")
    first, second = read.entries
    assert (first.id, second.id) == (f"urn:uuid:{ID}", f"urn:uuid:{REPLY}")
    assert first.title == "R&D <beta> ]]> \ufffd"
    assert first.content[0].value == "<p>a &amp;&amp; b]]&gt; \ufffd\ufffd 😀</p>"
    assert (first.published, first.author, first.link) == (WRITTEN, AUTHOR, f"https://forge.example.test{ITEM}")
    assert [tag.term for tag in first.tags] == ["questions", "a&b", '"q"']
    again = client.get(
        f"{ROOT}/feed.atom", params={"category": "questions"}, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304
    community.posts.replies["ReadFeed"] = NotFound("there is no such category")
    assert client.get(f"{ROOT}/feed.atom", params={"category": "nowhere"}).status_code == 404
