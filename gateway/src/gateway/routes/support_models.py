"""Support as clients see it; the bounds are those of neoforge.support.v1, which the service checks again."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.paging import PageQuery
from gateway.text import ASSIGNEE, ID, LINE, LINE_OR_NOTHING, LINES, OWNER

Subject = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=LINE), Field(examples=["The printer smokes"])
]
Body = Annotated[
    str,
    StringConstraints(min_length=1, max_length=65_536, pattern=LINES),
    Field(description="Plain text or Markdown, kept as it is.", examples=["Since this morning, whenever it prints."]),
]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=LINE), Field(examples=["Thanks"])]
Label = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=LINE)]
Labels = Annotated[
    list[Label],
    Field(
        max_length=20,
        description="Each once, in the order given; the requester sees them.",
        examples=[["printer"]],
        json_schema_extra={"uniqueItems": True},
    ),
]
Email = Annotated[str, StringConstraints(max_length=254, pattern=LINE_OR_NOTHING), Field(examples=["mara@example.com"])]
PersonId = Annotated[str, StringConstraints(pattern=ID), Field(json_schema_extra={"format": "uuid"})]
Status = Literal["open", "pending", "solved", "closed"]
Priority = Literal["low", "normal", "high", "urgent"]
Order = Literal["created_at", "-created_at", "updated_at", "-updated_at", "priority", "-priority", "due_at", "-due_at"]

_TICKET: dict[str, Any] = {
    "id": "0193fd12-7c40-7a3b-9a51-2f1c6d0e8b77",
    "subject": "The printer smokes",
    "status": "open",
    "priority": "high",
    "requester_id": "018f0000-0000-7000-8000-000000000003",
    "assignee_id": None,
    "labels": ["printer"],
    "contact_email": "mara@example.com",
    "created_at": "2026-11-02T09:30:00.123456Z",
    "updated_at": "2026-11-02T09:30:00.123456Z",
    "version": 1,
    "targets": {
        "first_response_due_at": "2026-11-02T13:30:00.123456Z",
        "first_responded_at": None,
        "first_response_breached": False,
        "resolution_due_at": "2026-11-03T09:30:00.123456Z",
        "solved_at": None,
        "resolution_breached": False,
        "due_at": "2026-11-02T13:30:00.123456Z",
    },
}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Targets(BaseModel):
    """When an agent has to have replied and solved, by the ticket's priority, and whether that was missed."""

    first_response_due_at: datetime
    first_responded_at: datetime | None
    first_response_breached: Annotated[bool, Field(description="Whether the first response came late, or is late.")]
    resolution_due_at: Annotated[datetime | None, Field(description="Null while pending or solved.")]
    solved_at: datetime | None
    resolution_breached: Annotated[bool, Field(description="Whether it was solved late, or is late.")]
    due_at: Annotated[datetime | None, Field(description="The sooner of what is still due; null when nothing is.")]


class Ticket(BaseModel):
    """A ticket, the same for its requester and for agents."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TICKET]})

    id: Annotated[UUID, Field(description="UUIDv7 (RFC 9562).")]
    subject: Subject
    status: Annotated[Status, Field(description="Agents have to act; the requester has to; done; done for good.")]
    priority: Priority
    requester_id: Annotated[UUID, Field(description="The person who asks.")]
    assignee_id: Annotated[UUID | None, Field(description="The agent who takes care of it.")]
    labels: Labels
    contact_email: Annotated[str | None, Field(description="Where the requester is told about replies.")]
    created_at: datetime
    updated_at: Annotated[datetime, Field(description="When it was last changed or publicly replied to.")]
    version: Annotated[int, Field(ge=1, description="One more with each change, public reply or missed target.")]
    targets: Targets


class NewTicket(_Model):
    """What a new ticket is made of; the caller is its requester, unless an agent names another."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"subject": "The printer smokes", "body": "Since this morning.", "priority": "high"}]
        },
    )

    subject: Subject
    body: Body
    priority: Priority = "normal"
    labels: Annotated[Labels, Field(description="For agents.")] = Field(default_factory=list)
    contact_email: Email | None = None
    requester_id: Annotated[PersonId | None, Field(description="For agents.")] = None
    assignee_id: Annotated[PersonId | None, Field(description="For agents.")] = None


class OpenedTicket(Ticket):
    """A ticket as it was opened, with the id of its first message."""

    message_id: Annotated[UUID, Field(description="The first message, for attachments.")]


def _describe_changes(schema: dict[str, Any]) -> None:
    """Leave out the defaults, which stand for "as it is" and are no values."""
    for member in schema["properties"].values():
        member.pop("default", None)
    schema["minProperties"] = 1


class _Changes(_Model):
    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must name at least one field")
        return self


class TicketChanges(_Changes):
    """A JSON merge patch (RFC 7396) of a ticket: what is absent stays; null empties assignee, labels or address.

    An agent changes any of it, a customer the subject, the address, and the status to solved.
    """

    model_config = ConfigDict(json_schema_extra=_describe_changes)

    subject: Subject = ""
    status: Status = "open"
    priority: Priority = "normal"
    assignee_id: PersonId | None = None
    labels: Labels | None = None
    contact_email: Email | None = None


class TicketQuery(PageQuery):
    """Which tickets to list: the queue for agents, their own for customers; every filter must hold."""

    status: Status | None = None
    priority: Priority | None = None
    assignee: Annotated[str, StringConstraints(pattern=ASSIGNEE)] | None = Field(
        default=None, description="Only of this person (UUID); `me` is the caller, `none` nobody."
    )
    requester: Annotated[str, StringConstraints(pattern=OWNER)] | None = Field(
        default=None, description="Only of this person (UUID); `me` is the caller."
    )
    label: Annotated[list[Label], Field(max_length=20)] = Field(
        default_factory=list, description="Only with this label; repeatable, all must be there."
    )
    overdue: Literal["true"] | None = Field(default=None, description="Only with something due before now.")
    text: Annotated[str, StringConstraints(max_length=200, pattern=LINE_OR_NOTHING)] = Field(
        default="",
        description="Only with every word of this in the subject and first message or in one later message; when there "
        "is none, with words that begin so. Looks at about the newest 500 messages that match.",
    )
    order: Order = Field(default="-created_at", description="Ascending, or descending with `-`; equals by id.")


class Attachment(BaseModel):
    """A file of a message."""

    id: UUID
    message_id: UUID
    filename: str
    content_type: str
    size: Annotated[int, Field(ge=0, le=10_485_760, description="Bytes.")]
    sha256: Annotated[str, Field(description="Of the content, in hex; the ETag in quotes.")]
    created_at: datetime


class Message(BaseModel):
    """One message of a thread."""

    id: UUID
    ticket_id: UUID
    author_id: UUID
    from_agent: Annotated[bool, Field(description="Whether it was written as an agent, not as the requester.")]
    internal: Annotated[bool, Field(description="Whether it is a note, which customers never see.")]
    body: Body
    created_at: datetime
    attachments: Annotated[list[Attachment], Field(max_length=20)]


class NewMessage(_Model):
    """A public reply, or for agents an internal note. The requester's reply reopens a pending or solved ticket."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"body": "Is it plugged in?"}]})

    body: Body
    internal: bool = False


class ThreadQuery(PageQuery):
    """Which page of a thread."""

    order: Literal["created_at", "-created_at"] = "created_at"


class UploadQuery(BaseModel):
    """What the file is called."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, StringConstraints(min_length=1, max_length=1_000)] = Field(
        description="A path before it and what file names cannot hold are dropped.", examples=["log.txt"]
    )


class Change(BaseModel):
    """One field that was changed."""

    field: str
    before: str
    after: str


class HistoryEntry(BaseModel):
    """What happened to a ticket, and by whom."""

    id: UUID
    event: Literal["created", "changed", "replied", "noted", "attached", "breached"]
    actor_id: Annotated[UUID | None, Field(description="Null when it came about by itself.")]
    changes: list[Change]
    message_id: UUID | None
    created_at: datetime


class CannedReply(BaseModel):
    """A text that agents reply with often."""

    id: UUID
    title: Title
    body: Body
    author_id: UUID
    created_at: datetime
    updated_at: datetime
    version: Annotated[int, Field(ge=1)]


class NewCannedReply(_Model):
    """What a new canned reply is made of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Thanks", "body": "Thank you for asking!"}]})

    title: Title
    body: Body


class CannedReplyChanges(_Changes):
    """A JSON merge patch (RFC 7396) of a canned reply."""

    model_config = ConfigDict(json_schema_extra=_describe_changes)

    title: Title = ""
    body: Body = ""
