"""Routes without a declaration, such as pages: metrics, spans and logs know them by their template too."""

from starlette.routing import Match, Mount, Route
from starlette.types import Scope


class PlainRoute(Route):
    """A route that names itself in the scope, as FastAPI's own do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Give how it matches, and what follows from it."""
        match, follows = super().matches(scope)
        return match, {**follows, "route": self} if match is not Match.NONE else follows


class PlainMount(Mount):
    """The same of a folder."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Give how it matches, and what follows from it."""
        match, follows = super().matches(scope)
        return match, {**follows, "route": self} if match is not Match.NONE else follows
