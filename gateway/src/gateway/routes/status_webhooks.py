"""The webhooks of the status service: told of incidents, maintenance and components, whoever has them."""

from typing import Any, Final, Literal

from pydantic import ConfigDict

from gateway.paging import PaginatedResponse
from gateway.routes import webhooks_models as models
from gateway.routes.status_page import ROOT, stubs
from gateway.routes.webhooks import Models, webhook_routes

EventType = Literal[
    "incident.opened", "incident.updated", "incident.resolved", "maintenance.planned", "component.changed"
]

_EXAMPLE: Final[dict[str, Any]] = models.example("https://hooks.example.com/status", "incident.opened")


class StatusWebhook(models.Webhook[EventType]):
    """Where the events of the status page are sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})


class CreatedStatusWebhook(models.CreatedWebhook[EventType]):
    """A webhook as it was created, with its secret."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE | models.SECRET]})


class NewStatusWebhook(models.NewWebhook[EventType]):
    """What a new webhook is made of."""

    model_config = ConfigDict(json_schema_extra={"examples": [models.asked(_EXAMPLE)]})


class StatusWebhookChanges(models.WebhookChanges[EventType]):
    """A JSON merge patch (RFC 7396) of a webhook: what is absent stays; null empties description or contact."""


webhooks: Final = webhook_routes(
    "status",
    ROOT + "/webhooks",
    "status_webhook",
    lambda call: stubs(call).webhooks,
    Models(
        StatusWebhook,
        PaginatedResponse[StatusWebhook],
        CreatedStatusWebhook,
        NewStatusWebhook,
        StatusWebhookChanges,
    ),
)
