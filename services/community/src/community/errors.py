"""What can go wrong in the community, by name."""

from chassis.errors import DomainError, Forbidden, Kind, NotFound


class PostNotFound(NotFound):
    """There is no such post, or the caller may not read it, which is the same to them."""

    def __init__(self) -> None:
        super().__init__("there is no such post")


class ReplyNotFound(NotFound):
    """There is no such reply, or the caller may not read it, which is the same to them."""

    def __init__(self) -> None:
        super().__init__("there is no such reply")


class CategoryNotFound(NotFound):
    """There is no such category."""

    def __init__(self) -> None:
        super().__init__("there is no such category")


class NotTheAuthor(Forbidden):
    """The caller may read this, but only its author and moderators may do that."""

    def __init__(self) -> None:
        super().__init__("only the author and moderators may do this")


class PostLocked(DomainError):
    """The post takes no more replies."""

    kind = Kind.FORBIDDEN
    reason = "POST_LOCKED"

    def __init__(self) -> None:
        super().__init__("this post is locked: it takes no more replies")


class SlugTaken(DomainError):
    """There is another category with this slug."""

    kind = Kind.CONFLICT
    reason = "SLUG_TAKEN"


class CategoryInUse(DomainError):
    """Posts stand in the category."""

    kind = Kind.CONFLICT
    reason = "CATEGORY_IN_USE"

    def __init__(self) -> None:
        super().__init__("posts stand in this category; move them to another one first")


class AlreadyReported(DomainError):
    """The caller has reported this before."""

    kind = Kind.CONFLICT
    reason = "ALREADY_REPORTED"

    def __init__(self) -> None:
        super().__init__("you have reported this before; the moderators know")
