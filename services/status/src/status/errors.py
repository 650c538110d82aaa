"""What can go wrong with the status page, by name."""

from chassis.errors import DomainError, Kind, NotFound


class ComponentNotFound(NotFound):
    """There is no such component."""

    def __init__(self) -> None:
        super().__init__("there is no such component")


class GroupNotFound(NotFound):
    """There is no such group."""

    def __init__(self) -> None:
        super().__init__("there is no such group")


class EventNotFound(NotFound):
    """There is no such event."""

    def __init__(self) -> None:
        super().__init__("there is no such event")


class IncidentNotFound(NotFound):
    """There is no such incident."""

    def __init__(self) -> None:
        super().__init__("there is no such incident")


class MaintenanceNotFound(NotFound):
    """There is no such window."""

    def __init__(self) -> None:
        super().__init__("there is no such maintenance window")


class SubscriptionNotFound(NotFound):
    """There is no such subscription, or its link is good no more, which is the same to who holds it."""

    def __init__(self) -> None:
        super().__init__("there is no such subscription; it may have ended, or not been confirmed in time")


class SlugTaken(DomainError):
    """Another component has this slug."""

    kind = Kind.CONFLICT
    reason = "SLUG_TAKEN"

    def __init__(self, slug: str) -> None:
        super().__init__(f"there is a component with the slug {slug} already", metadata={"slug": slug})


class IllegalMove(DomainError):
    """A resolved incident stays resolved."""

    kind = Kind.PRECONDITION
    reason = "ILLEGAL_MOVE"

    def __init__(self, origin: str, target: str) -> None:
        super().__init__(f"the status cannot move from {origin} to {target}", metadata={"from": origin, "to": target})
