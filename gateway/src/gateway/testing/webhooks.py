"""A stand-in for the webhooks of the projects service: answers what a test tells it to, and keeps what it is asked."""

from typing import Any

from chassis import call as calls
from chassis.errors import DETAILS_KEY, DomainError, to_status
from neoforge.projects.v1 import webhooks_pb2 as pb
from neoforge.projects.v1 import webhooks_pb2_grpc


class StandInWebhooks(webhooks_pb2_grpc.WebhooksServiceServicer):
    """`replies` holds what each method answers or fails with, by its name; `asked` lists the requests as they came."""

    def __init__(self) -> None:
        self.replies: dict[str, Any] = {}
        self.asked: list[Any] = []
        self.replayed = False

    def reset(self) -> None:
        """Forget everything."""
        self.__init__()  # type: ignore[misc] # the same empty store as at the start

    async def _answer(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        method = type(request).__name__.removesuffix("Request")
        reply = self.replies.get(method, getattr(pb, f"{method}Response")())
        if isinstance(reply, DomainError):
            details = ((DETAILS_KEY, to_status(reply).SerializeToString()),)
            await context.abort(reply.kind.value, reply.message, details)
        if self.replayed:
            context.set_trailing_metadata(((calls.IDEMPOTENCY_REPLAYED, "true"),))
        return reply

    CreateWebhook = GetWebhook = ListWebhooks = UpdateWebhook = DeleteWebhook = _answer
    RotateSecret = SendTestEvent = ListAttempts = ReplayMessage = _answer
