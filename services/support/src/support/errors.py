"""What can go wrong with tickets, by name."""

from chassis.errors import DomainError, Forbidden, Kind, NotFound


class TicketNotFound(NotFound):
    """There is no such ticket, or it is another customer's, which is the same to the caller."""

    def __init__(self) -> None:
        super().__init__("there is no such ticket")


class MessageNotFound(NotFound):
    """The ticket has no such message that the caller may see."""

    def __init__(self) -> None:
        super().__init__("the ticket has no such message")


class AttachmentNotFound(NotFound):
    """The ticket has no such attachment that the caller may see."""

    def __init__(self) -> None:
        super().__init__("the ticket has no such attachment")


class CannedReplyNotFound(NotFound):
    """There is no such canned reply."""

    def __init__(self) -> None:
        super().__init__("there is no such canned reply")


class ForAgents(Forbidden):
    """A customer asks for what agents alone may do."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} takes the role agent or admin")


class TicketClosed(DomainError):
    """The ticket is closed for good."""

    kind = Kind.PRECONDITION
    reason = "TICKET_CLOSED"

    def __init__(self) -> None:
        super().__init__("the ticket is closed for good; open a new one")


class IllegalMove(DomainError):
    """The status cannot move this way, or not by this caller."""

    kind = Kind.PRECONDITION
    reason = "ILLEGAL_MOVE"

    def __init__(self, origin: str, target: str) -> None:
        super().__init__(f"the status cannot move from {origin} to {target}", metadata={"from": origin, "to": target})


class ContentTooLarge(DomainError):
    """A file has more bytes than an attachment may have."""

    kind = Kind.EXHAUSTED
    reason = "CONTENT_TOO_LARGE"

    def __init__(self, most: int) -> None:
        super().__init__(f"an attachment may have {most:,} bytes")
