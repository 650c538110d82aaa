"""The projects service's own knobs."""

from chassis.webhooks.settings import WebhookSettings


class Settings(WebhookSettings):
    """What the projects service is told: what every service is, and how webhooks are sent."""
