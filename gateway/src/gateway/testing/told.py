"""A stand-in for a proto service that answers what a test tells it to, and keeps what it is asked."""

from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from chassis import call as calls
from chassis.errors import DETAILS_KEY, DomainError, to_status

if TYPE_CHECKING:
    import asyncio


class Told:
    """`replies` holds what each method answers or fails with, by its name; `asked` lists the requests as they came,
    `hold` is waited for before one is answered.
    """

    messages: ClassVar[ModuleType]
    """The generated module with the messages of the service."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {}
        self.asked: list[Any] = []
        self.replayed = False
        self.hold: asyncio.Event | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc] # the same empty store as at the start

    async def answer(self, request: Any, context: Any) -> Any:
        """Answer any method; one that a test says nothing of gets an empty reply."""
        self.asked.append(request)
        if self.hold is not None:
            await self.hold.wait()
        method = type(request).__name__.removesuffix("Request")
        reply = self.replies.get(method, getattr(self.messages, f"{method}Response")())
        if isinstance(reply, DomainError):
            details = ((DETAILS_KEY, to_status(reply).SerializeToString()),)
            await context.abort(reply.kind.value, reply.message, details)
        if self.replayed:
            context.set_trailing_metadata(((calls.IDEMPOTENCY_REPLAYED, "true"),))
        return reply
