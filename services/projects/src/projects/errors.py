"""What can go wrong with projects, by name."""

from chassis.errors import DomainError, Forbidden, Kind, NotFound
from projects.model import Role


class SlugTaken(DomainError):
    """The owner has another project with this slug."""

    kind = Kind.CONFLICT
    reason = "SLUG_TAKEN"


class ProjectNotFound(NotFound):
    """There is no such project, or the caller may not read it, which is the same to them."""

    def __init__(self) -> None:
        super().__init__("there is no such project")


class MemberNotFound(NotFound):
    """The person is no member of the project."""

    def __init__(self) -> None:
        super().__init__("this person is no member of the project")


class RoleTooLow(Forbidden):
    """The caller may read the project, but this takes another role."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"this takes the role {needed} in the project")


class InvitationNotFound(NotFound):
    """There is no such invitation, or its link is good no more, which is the same to who holds it."""

    def __init__(self) -> None:
        super().__init__("there is no such invitation; it may have expired, been accepted, revoked or sent anew")


class AlreadyMember(DomainError):
    """The caller has the role that they are invited to, or more."""

    kind = Kind.CONFLICT
    reason = "ALREADY_MEMBER"

    def __init__(self, role: Role) -> None:
        super().__init__(f"you are {role} of this project already; the invitation stays good", metadata={"role": role})
