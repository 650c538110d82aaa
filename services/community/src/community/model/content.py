"""Posts, replies and what readers make of them as frozen values, and the rules they obey; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Self, TypeVar
from uuid import UUID

from chassis.errors import InvalidFields, Violation
from chassis.text import check_labels, check_text
from community.model.categories import is_slug

MAX_TITLE: Final = 200
MAX_BODY: Final = 40_000
MAX_REPLY: Final = 10_000
MAX_TAGS: Final = 5
MAX_TAG: Final = 35
MAX_DEPTH: Final = 8
MAX_SEARCH: Final = 200
MODERATORS: Final = ("agent", "admin")
"""The roles that moderate."""

_PATH_DIGITS: Final = 8

C = TypeVar("C", bound="Post | Reply")


class Status(StrEnum):
    """Whether a post or reply can be read."""

    PUBLISHED = "published"
    HIDDEN = "hidden"
    DELETED = "deleted"


class SubjectKind(StrEnum):
    """What can be reacted to, reported and moderated."""

    POST = "post"
    REPLY = "reply"


class ReactionKind(StrEnum):
    """What people can say without words."""

    LIKE = "like"
    LOVE = "love"
    CELEBRATE = "celebrate"
    LAUGH = "laugh"
    CURIOUS = "curious"
    THANKS = "thanks"


@dataclass(frozen=True)
class Subject:
    """A post or a reply, by its id."""

    kind: SubjectKind
    id: UUID


@dataclass(frozen=True)
class Viewer:
    """Who reads or writes: a person or nobody, and whether they moderate."""

    person: UUID | None
    moderates: bool

    def may_change(self, author_id: UUID) -> bool:
        """Whether they may change what this author wrote."""
        return self.moderates or self.person == author_id


@dataclass(frozen=True)
class Post:
    """A post; `version` is 1 when created and one more with each change. Reactions and replies are no change."""

    id: UUID
    author_id: UUID
    category: str
    title: str
    body: str
    html: str
    excerpt: str
    tags: tuple[str, ...]
    status: Status
    hidden_reason: str
    pinned: bool
    locked: bool
    accepted_reply_id: UUID | None
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None
    version: int

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        author_id: UUID,
        now: datetime,
        category: str,
        title: str,
        body: str,
        tags: tuple[str, ...],
    ) -> Self:
        """Make a post whose body is still to be rendered.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = cls(
            id=id,
            author_id=author_id,
            category=category,
            title=title,
            body=body,
            html="",
            excerpt="",
            tags=tags,
            status=Status.PUBLISHED,
            hidden_reason="",
            pinned=False,
            locked=False,
            accepted_reply_id=None,
            created_at=now,
            updated_at=now,
            edited_at=None,
            version=1,
        )
        made.check()
        return made

    def changed(self, changes: Mapping[str, Any], now: datetime) -> Self:
        """Give the post with these fields changed; the very same one when nothing differs.

        Raises:
            InvalidFields: fields break their rules.
        """
        made = replace(self, **changes)
        made.check()
        if made == self:
            return self
        edited = (made.title, made.body) != (self.title, self.body)
        return _moved(made, now, edited_at=now if edited else self.edited_at)

    def check(self) -> None:
        """Hold the text against its rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = [
            *check_text("title", self.title, MAX_TITLE, least=1),
            *check_text("body", self.body, MAX_BODY, least=1, lines=True),
        ]
        if not is_slug(self.category):
            violations.append(Violation("category", "must be the slug of a category"))
        violations += check_labels("tags", self.tags, MAX_TAGS, MAX_TAG)
        violations += [v for i, tag in enumerate(self.tags) for v in _check_spelling(f"tags[{i}]", tag)]
        if violations:
            raise InvalidFields.of(violations)

    def with_state(self, now: datetime, **state: Any) -> Self:
        """Give the post pinned, locked, answered, hidden or restored; the very same one when it is already."""
        made = replace(self, **state)
        return self if made == self else _moved(made, now)

    def deleted(self, now: datetime) -> Self:
        """Give what stays of the post when it is deleted: no text."""
        bare = replace(self, title="", body="", html="", excerpt="", tags=(), status=Status.DELETED)
        return _moved(bare, now, hidden_reason="", pinned=False, accepted_reply_id=None)

    def visible_to(self, viewer: Viewer, reply_count: int) -> bool:
        """Whether the post exists for them; a deleted one does while there is a conversation under it."""
        if self.status is Status.DELETED:
            return reply_count > 0
        return self.status is Status.PUBLISHED or viewer.may_change(self.author_id)


@dataclass(frozen=True)
class Reply:
    """A reply; `path` places it in the order of its threads, `version` is as a post's."""

    id: UUID
    post_id: UUID
    parent_id: UUID | None
    path: str
    author_id: UUID
    body: str
    html: str
    excerpt: str
    status: Status
    hidden_reason: str
    child_count: int
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None
    version: int

    @property
    def depth(self) -> int:
        """How far to indent it, from 1 to MAX_DEPTH."""
        return len(self.path) // _PATH_DIGITS

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        post_id: UUID,
        parent_id: UUID | None,
        author_id: UUID,
        body: str,
        html: str,
        excerpt: str,
        now: datetime,
    ) -> Self:
        """Make a reply that is still to be placed."""
        return cls(
            id=id,
            post_id=post_id,
            parent_id=parent_id,
            path="",
            author_id=author_id,
            body=body,
            html=html,
            excerpt=excerpt,
            status=Status.PUBLISHED,
            hidden_reason="",
            child_count=0,
            created_at=now,
            updated_at=now,
            edited_at=None,
            version=1,
        )

    def placed(self, path: str) -> Self:
        """Give the reply with its place."""
        return replace(self, path=path)

    def changed(self, body: str, html: str, excerpt: str, now: datetime) -> Self:
        """Give the reply with another text; the very same one when it is the same."""
        if body == self.body:
            return self
        return _moved(self, now, body=body, html=html, excerpt=excerpt, edited_at=now)

    def with_state(self, now: datetime, **state: Any) -> Self:
        """Give the reply hidden or restored; the very same one when it is already."""
        made = replace(self, **state)
        return self if made == self else _moved(made, now)

    def deleted(self, now: datetime) -> Self:
        """Give what stays of the reply when it is deleted: no text."""
        return _moved(self, now, body="", html="", excerpt="", status=Status.DELETED, hidden_reason="")

    def readable_by(self, viewer: Viewer) -> bool:
        """Whether they may read its text."""
        if self.status is Status.HIDDEN:
            return viewer.may_change(self.author_id)
        return self.status is Status.PUBLISHED


@dataclass(frozen=True)
class ReactionCount:
    """How many people gave a kind of reaction, and whether the viewer is one of them."""

    kind: ReactionKind
    count: int
    mine: bool


@dataclass(frozen=True)
class Activity:
    """What readers made of a post."""

    reactions: tuple[ReactionCount, ...]
    reply_count: int
    points: int
    last_activity_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which posts a list holds; None and empty mean any."""

    category: str = ""
    tag: str = ""
    author_id: UUID | None = None
    answered: bool | None = None
    text: str = ""

    def check(self) -> None:
        """Hold the filter against its rules.

        Raises:
            InvalidFields: naming every field that breaks its rule.
        """
        violations = check_text("text", self.text, MAX_SEARCH)
        if self.tag:
            violations += check_text("tag", self.tag, MAX_TAG) or _check_spelling("tag", self.tag)
        if self.category and not is_slug(self.category):
            violations.append(Violation("category", "must be the slug of a category"))
        if violations:
            raise InvalidFields.of(violations)


def check_body(body: str, most: int = MAX_BODY) -> None:
    """Hold the text of a post, or with MAX_REPLY of a reply, against its rules.

    Raises:
        InvalidFields: it breaks them.
    """
    violations = check_text("body", body, most, least=1, lines=True)
    if violations:
        raise InvalidFields.of(violations)


def _moved(changed: C, now: datetime, **others: Any) -> C:
    return replace(changed, updated_at=now, version=changed.version + 1, **others)


def _check_spelling(field: str, tag: str) -> list[Violation]:
    if tag == tag.lower() and not re.search(r"[ ,]", tag):
        return []
    return [Violation(field, "must be in lower case, without blanks and commas")]


def path_of(parent_path: str, number: int) -> str:
    """Place the reply with this number (from 1, in the order of a post's replies) below its parent.

    A path is the numbers of the replies above, then its own, each in eight hexadecimal digits: the order of paths is
    that of threads. Below MAX_DEPTH a reply stands beside its parent.
    """
    return parent_path[: (MAX_DEPTH - 1) * _PATH_DIGITS] + f"{number:0{_PATH_DIGITS}x}"
