"""The webhooks of the projects service: told of the projects that their owner owns."""

from typing import Any, Final, Literal

from pydantic import ConfigDict

from gateway.paging import PaginatedResponse
from gateway.routes import webhooks_models as models
from gateway.routes.webhooks import Models, webhook_routes

EventType = Literal[
    "project.created",
    "project.updated",
    "project.archived",
    "project.deleted",
    "project.member_invited",
    "project.member_added",
    "project.member_removed",
]

_EXAMPLE: Final[dict[str, Any]] = models.example("https://hooks.example.com/neoforge", "project.created")


class Webhook(models.Webhook[EventType]):
    """Where the events of its owner's projects are sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class CreatedWebhook(models.CreatedWebhook[EventType]):
    """A webhook as it was created, with its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE | models.SECRET]})


class NewWebhook(models.NewWebhook[EventType]):
    """What a new webhook is made of."""

    model_config = ConfigDict(json_schema_extra={"examples": [models.asked(_EXAMPLE)]})


class WebhookChanges(models.WebhookChanges[EventType]):
    """A JSON merge patch (RFC 7396) of a webhook: what is absent stays; null empties description or contact."""


webhooks: Final = webhook_routes(
    "webhooks",
    "/api/v1/webhooks",
    "webhook",
    lambda call: call.parts.webhooks,
    Models(Webhook, PaginatedResponse[Webhook], CreatedWebhook, NewWebhook, WebhookChanges),
)
