"""The community as clients see it; the bounds are those of neoforge.community.v1, which the service checks again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway import text
from gateway.paging import PageQuery

Title = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=text.LINE), Field(examples=["How do I archive?"])
]
Body = Annotated[
    str,
    StringConstraints(min_length=1, max_length=40_000, pattern=text.LINES),
    Field(
        description="Markdown: CommonMark with tables, strikethrough and bare links. HTML is shown as text, images as "
        "links. It comes back as it was sent.",
        examples=["I have a *lot* of projects."],
    ),
]
ReplyBody = Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=text.LINES)]
Html = Annotated[str, Field(description="The body as HTML that is safe to show.", examples=["<p>Hello</p>\n"])]
CategorySlug = Annotated[
    str, StringConstraints(min_length=1, max_length=50, pattern=text.SLUG), Field(examples=["questions"])
]
Tag = Annotated[
    str,
    StringConstraints(min_length=1, max_length=35, pattern=text.LINE),
    Field(description="In lower case, without blanks and commas.", examples=["archive"]),
]
Tags = Annotated[
    list[Tag],
    Field(max_length=5, description="Each once.", examples=[["archive"]], json_schema_extra={"uniqueItems": True}),
]
Status = Literal["published", "hidden", "deleted"]
ReactionKind = Literal["like", "love", "celebrate", "laugh", "curious", "thanks"]
ReportReason = Literal["spam", "abuse", "off_topic", "illegal", "other"]
CaseState = Literal["open", "hidden", "dismissed", "deleted"]
ActionKind = Literal["hide", "restore", "dismiss", "pin", "unpin", "lock", "unlock", "edit", "delete"]
SubjectKind = Literal["post", "reply"]
Version = Annotated[int, Field(ge=1, description="1 when created, one more with each change; the ETag in quotes.")]
HiddenReason = Annotated[str | None, Field(description="Why it was hidden; for its author and moderators.")]
Reason = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=text.LINES), Field(examples=["It advertises."])
]


class Model(BaseModel):
    """What a client sends: nothing beyond the fields, and each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Reaction(BaseModel):
    """How many people gave a kind of reaction."""

    kind: ReactionKind
    count: Annotated[int, Field(ge=1)]
    mine: Annotated[bool, Field(description="Whether the caller is one of them.")]


class Reactions(BaseModel):
    """The reactions to a post or reply."""

    reactions: list[Reaction]


class Activity(Reactions):
    """What readers made of a post. It changes without the post: it is no part of the post's ETag."""

    reply_count: Annotated[int, Field(ge=0, description="Published replies.")]
    points: Annotated[int, Field(ge=0, description="One for each reaction, two for each published reply.")]
    last_activity_at: datetime


class Excerpt(BaseModel):
    """A post without its text, as lists hold it."""

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    category: CategorySlug
    author_id: UUID
    title: Annotated[str, Field(max_length=200, description="Empty once deleted.")]
    excerpt: Annotated[str, Field(max_length=280, description="The beginning of the body as plain text.")]
    tags: Tags
    status: Status
    hidden_reason: HiddenReason
    pinned: bool
    locked: Annotated[bool, Field(description="Whether it takes no more replies.")]
    accepted_reply_id: UUID | None
    created_at: datetime
    updated_at: datetime
    edited_at: Annotated[datetime | None, Field(description="When title or body were last edited.")]
    version: Version


class Post(Excerpt):
    """A post: what its author and the moderators made of it."""

    body: Annotated[str, Field(max_length=40_000, description="Markdown, as it was sent; empty once deleted.")]
    html: Html


class ListedPost(Excerpt):
    """A post in a list."""

    activity: Activity


class NewPost(Model):
    """What a new post is made of."""

    category: CategorySlug
    title: Title
    body: Body
    tags: Tags = Field(default_factory=list)


def describe_changes(schema: dict[str, Any]) -> None:
    """Leave out the defaults, which stand for "as it is" and are no values."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["minProperties"] = 1


class Changes(Model):
    """A JSON merge patch (RFC 7396): what is absent stays."""

    model_config = ConfigDict(json_schema_extra=describe_changes)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


class PostChanges(Changes):
    """A JSON merge patch (RFC 7396) of a post; null empties the tags."""

    category: CategorySlug = ""
    title: Title = ""
    body: Body = ""
    tags: Tags | None = None


SearchText = Annotated[str, StringConstraints(max_length=200, pattern=text.LINE_OR_NOTHING)]


class PostQuery(PageQuery):
    """Which posts to list."""

    category: CategorySlug | None = None
    tag: Tag | None = None
    author: Annotated[str, StringConstraints(pattern=text.OWNER)] | None = Field(
        default=None, description="Only by this person (UUID); `me` is the caller, who sees their hidden ones too."
    )
    answered: Literal["yes", "no"] | None = Field(default=None, description="Only with, or without, accepted answer.")
    text: SearchText = Field(
        default="", description="Only with every word of this at the start of a word of title or body."
    )
    order: Literal["hot", "new", "top"] = Field(default="hot", description="Pinned posts come first in each.")


class FeedQuery(BaseModel):
    """Which feed."""

    model_config = ConfigDict(extra="forbid")

    category: CategorySlug | None = None


class AcceptedAnswer(Model):
    """The reply that answers the post."""

    reply_id: Annotated[str, StringConstraints(pattern=text.ID), Field(json_schema_extra={"format": "uuid"})]


class Reply(BaseModel):
    """A reply."""

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    post_id: UUID
    parent_id: Annotated[UUID | None, Field(description="The reply that it answers; null for the post.")]
    depth: Annotated[int, Field(ge=1, le=8, description="How far to indent it.")]
    author_id: Annotated[UUID | None, Field(description="Null where the text is withheld.")]
    body: Annotated[str, Field(max_length=10_000, description="Markdown, as it was sent; empty where it is withheld.")]
    html: Html
    status: Status
    hidden_reason: HiddenReason
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None
    version: Version


class ListedReply(Reply):
    """A reply in a list."""

    reactions: list[Reaction]


class NewReply(Model):
    """What a new reply is made of."""

    body: ReplyBody
    parent_id: Annotated[str, StringConstraints(pattern=text.ID)] | None = Field(
        default=None, description="The reply to be answered; the post when absent or null."
    )


class ReplyChanges(Changes):
    """A JSON merge patch (RFC 7396) of a reply."""

    body: ReplyBody = ""


class Category(BaseModel):
    """A category of posts."""

    slug: CategorySlug
    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: Annotated[str, Field(max_length=500)]
    position: Annotated[int, Field(ge=0, description="Where it stands among the others.")]
    created_at: datetime
    updated_at: datetime
    version: Version


CategoryName = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=text.LINE)]
CategoryDescription = Annotated[str, StringConstraints(max_length=500, pattern=text.LINES)]
Place = Annotated[int, Field(ge=0, le=10_000)]


class NewCategory(Model):
    """What a new category is made of."""

    slug: CategorySlug
    name: CategoryName
    description: CategoryDescription = ""
    position: Place = 0


class CategoryChanges(Changes):
    """A JSON merge patch (RFC 7396) of a category; null empties the description."""

    name: CategoryName = ""
    description: CategoryDescription | None = None
    position: Place = 0


class Report(Model):
    """What a reader says against a post or reply."""

    reason: ReportReason
    note: Annotated[str, StringConstraints(max_length=1_000, pattern=text.LINES)] = ""


class Decision(Model):
    """Why a moderator decides."""

    reason: Reason


class ReportCount(BaseModel):
    """How many people reported something for a reason."""

    reason: ReportReason
    count: Annotated[int, Field(ge=1)]


class Case(BaseModel):
    """A post or reply that was reported or hidden."""

    kind: SubjectKind
    id: Annotated[UUID, Field(description="Of the post or reply.")]
    post_id: UUID
    author_id: UUID
    excerpt: Annotated[str, Field(max_length=280)]
    state: CaseState
    reports: list[ReportCount]
    notes: Annotated[list[str], Field(max_length=5, description="The latest notes of reporters.")]
    opened_at: datetime
    decision_reason: str | None


class CaseQuery(PageQuery):
    """Which cases to list."""

    state: Literal["open", "hidden", "dismissed", "deleted", "all"] = "open"


class Action(BaseModel):
    """What a moderator did."""

    id: UUID
    action: ActionKind
    kind: SubjectKind
    subject_id: UUID
    post_id: UUID
    moderator_id: UUID
    reason: str | None
    created_at: datetime


class ActionQuery(PageQuery):
    """Which actions to list."""

    post: Annotated[str, StringConstraints(pattern=text.ID)] | None = Field(
        default=None, description="Only about this post and its replies."
    )
