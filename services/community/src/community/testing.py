"""Short forms of the calls that tests make."""

from typing import Any

import psycopg

from chassis.identity import NOBODY, Caller
from chassis.testing.client import Client
from neoforge.community.v1 import content_pb2, moderation_pb2, posts_pb2, reactions_pb2, replies_pb2


class Community:
    """The service as a person uses it."""

    def __init__(self, call: Client) -> None:
        self.call = call

    async def post(self, person: Caller, title: str = "Hello", **fields: Any) -> posts_pb2.Post:
        """Publish a post."""
        values = {"category": "general", "title": title, "body": "Some *text*.", **fields}
        reply = await self.call(person, "CreatePost", posts_pb2.CreatePostRequest(**values))
        made: posts_pb2.Post = reply.post
        return made

    async def get(self, post_id: str, person: Caller = NOBODY) -> posts_pb2.Post:
        """Read a post."""
        found: posts_pb2.Post = (await self.call(person, "GetPost", posts_pb2.GetPostRequest(id=post_id))).post
        return found

    async def delete(self, person: Caller, post_id: str) -> None:
        """Delete a post."""
        await self.call(person, "DeletePost", posts_pb2.DeletePostRequest(id=post_id))

    async def listed(self, person: Caller = NOBODY, **query: Any) -> posts_pb2.ListPostsResponse:
        """List posts."""
        found: posts_pb2.ListPostsResponse = await self.call(person, "ListPosts", posts_pb2.ListPostsRequest(**query))
        return found

    async def titles(self, person: Caller = NOBODY, **query: Any) -> list[str]:
        """Give the titles of a list."""
        return [row.post.title for row in (await self.listed(person, **query)).posts]

    async def reply(self, person: Caller, post_id: str, body: str = "Indeed", parent: str = "") -> replies_pb2.Reply:
        """Write a reply."""
        request = replies_pb2.CreateReplyRequest(post_id=post_id, parent_id=parent, body=body)
        made: replies_pb2.Reply = (await self.call(person, "CreateReply", request)).reply
        return made

    async def get_reply(self, reply_id: str, person: Caller = NOBODY) -> replies_pb2.Reply:
        """Read a reply."""
        found: replies_pb2.Reply = (await self.call(person, "GetReply", replies_pb2.GetReplyRequest(id=reply_id))).reply
        return found

    async def thread(self, post_id: str, person: Caller = NOBODY, **query: Any) -> list[replies_pb2.ListedReply]:
        """List the replies to a post."""
        request = replies_pb2.ListRepliesRequest(post_id=post_id, **query)
        return list((await self.call(person, "ListReplies", request)).replies)

    async def react(
        self, person: Caller, subject: content_pb2.Subject, kind: int = content_pb2.REACTION_KIND_LIKE
    ) -> dict[int, int]:
        """React, and give the counts by kind."""
        request = reactions_pb2.AddReactionRequest(subject=subject, kind=kind)  # type: ignore[arg-type] # an enum's number
        return {r.kind: r.count for r in (await self.call(person, "AddReaction", request)).reactions}

    async def unreact(
        self, person: Caller, subject: content_pb2.Subject, kind: int = content_pb2.REACTION_KIND_LIKE
    ) -> dict[int, int]:
        """Take a reaction back, and give the counts by kind."""
        request = reactions_pb2.RemoveReactionRequest(subject=subject, kind=kind)  # type: ignore[arg-type] # as above
        return {r.kind: r.count for r in (await self.call(person, "RemoveReaction", request)).reactions}

    async def activity(self, post_id: str, person: Caller = NOBODY) -> content_pb2.Activity:
        """Read what readers made of a post."""
        request = reactions_pb2.GetActivityRequest(post_id=post_id)
        found: content_pb2.Activity = (await self.call(person, "GetActivity", request)).activity
        return found

    async def report(
        self,
        person: Caller,
        subject: content_pb2.Subject,
        note: str = "",
        reason: int = moderation_pb2.REPORT_REASON_SPAM,
    ) -> None:
        """Report something."""
        request = moderation_pb2.ReportContentRequest(subject=subject, reason=reason, note=note)  # type: ignore[arg-type] # as above
        await self.call(person, "ReportContent", request)

    async def decide(
        self, person: Caller, subject: content_pb2.Subject, decision: int, reason: str = "It breaks the rules"
    ) -> moderation_pb2.Case:
        """Decide a case."""
        request = moderation_pb2.DecideCaseRequest(subject=subject, decision=decision, reason=reason)  # type: ignore[arg-type] # as above
        case: moderation_pb2.Case = (await self.call(person, "DecideCase", request)).case
        return case

    async def cases(self, person: Caller, state: int = moderation_pb2.CASE_STATE_OPEN) -> list[moderation_pb2.Case]:
        """Give the cases in a state."""
        request = moderation_pb2.ListCasesRequest(state=state)  # type: ignore[arg-type] # as above
        return list((await self.call(person, "ListCases", request)).cases)


def of_post(post: posts_pb2.Post) -> content_pb2.Subject:
    """Name a post."""
    return content_pb2.Subject(post_id=post.id)


def of_reply(reply: replies_pb2.Reply) -> content_pb2.Subject:
    """Name a reply."""
    return content_pb2.Subject(reply_id=reply.id)


def load(connection: psycopg.Connection[Any], count: int, *, filler: int = 0) -> None:
    """As the database's administrator, fill the empty tables.

    With `count` posts of some words and `filler` times five more, and as many replies to the first of them, cases and
    log entries. Every body holds `everywhere`, one in two `often`, one in twenty `sometimes`, one in a thousand
    `seldom`, and each its own `word<n>`; `ancient` stands in the oldest tenth alone. Statistics are up to date then.
    """
    indexes = connection.execute(_INDEXES).fetchall()
    connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '256MB'")  # no foreign keys
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}".encode())
    for statement in _LOAD:
        connection.execute(statement.replace(":count", str(count)).replace(":filler", str(filler)).encode())
    for _, definition in indexes:
        connection.execute(definition.encode())
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")


_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'community'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""

_LOAD = (
    """
    INSERT INTO community.posts (
        id, author_id, category, title, body, html, excerpt, tags, status, hidden_reason, pinned, locked,
        accepted_reply_id, created_at, updated_at, version
    )
    SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
        ('018f0000-0000-7000-8000-' || lpad(to_hex(n % 500), 12, '0'))::uuid,
        (ARRAY['announcements', 'questions', 'ideas', 'showcase', 'general'])[1 + n % 5], 'Post ' || n,
        'everywhere word' || n || CASE WHEN n % 2 = 0 THEN ' often' ELSE '' END
            || CASE WHEN n % 20 = 0 THEN ' sometimes' ELSE '' END
            || CASE WHEN n % 1000 = 0 THEN ' seldom' ELSE '' END
            || CASE WHEN n < :count / 10 THEN ' ancient' ELSE '' END
            || repeat(' lorem ipsum dolor sit ' || md5(n::text), :filler),
        '<p>Post</p>', 'Post', ARRAY['t' || n % 10, 'u' || n % 1000],
        CASE WHEN n % 1000 = 7 THEN 'hidden' ELSE 'published' END, '', n % 50000 = 3, false,
        CASE WHEN n % 4 = 0 THEN '01900000-0000-7000-8000-000000000001'::uuid END,
        timestamptz '2026-01-01' + n * interval '1 minute', timestamptz '2026-01-01' + n * interval '1 minute', 1
    FROM generate_series(1, :count) AS n
    """,
    """
    INSERT INTO community.activity (post_id, reaction_count, reply_count, last_reply_number, last_activity_at)
    SELECT id, ('x' || right(id::text, 6))::bit(24)::int * 7919 % 500, 0, 0, created_at FROM community.posts
    """,
    """
    INSERT INTO community.entries (
        post_id, tag, category, author_id, hidden, answered, pinned, created_at, points, fell_at
    )
    SELECT id, tag, category, author_id, status = 'hidden', accepted_reply_id IS NOT NULL, pinned, created_at, points,
        fell_at
    FROM community.posts JOIN community.activity ON post_id = id, unnest(array_append(tags, '')) AS tag
    """,
    """
    INSERT INTO community.replies (
        id, post_id, path, author_id, body, html, excerpt, status, hidden_reason, child_count, created_at, updated_at,
        version
    )
    SELECT ('01910000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '01900000-0000-7000-8000-000000000001',
        lpad(to_hex(n), 8, '0'), ('018f0000-0000-7000-8000-' || lpad(to_hex(n % 500), 12, '0'))::uuid, 'Reply',
        '<p>Reply</p>', 'Reply', CASE WHEN n % 3 = 0 THEN 'hidden' ELSE 'published' END, '', 0, now(), now(), 1
    FROM generate_series(1, :count) AS n
    """,
    """
    INSERT INTO community.cases (subject_id, subject_kind, post_id, author_id, state, opened_at, decision_reason)
    SELECT id, 'reply', post_id, author_id,
        (ARRAY['open', 'hidden', 'dismissed', 'deleted'])[1 + ('x' || right(id::text, 4))::bit(16)::int % 4],
        created_at, ''
    FROM community.replies
    """,
    """
    INSERT INTO community.moderation_log (id, kind, subject_kind, subject_id, post_id, moderator_id, reason, created_at)
    SELECT id, 'hide', 'reply', id, post_id, author_id, '', created_at FROM community.replies
    """,
)
