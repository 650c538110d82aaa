"""What a service that sends webhooks is told beyond the rest."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from chassis.settings import Environment, Secret, ServiceSettings, split
from chassis.webhooks.addresses import Network
from chassis.webhooks.retry import DELAYS_S


def _networks(value: object) -> object:
    parts = split(value)
    return tuple(ip_network(part) for part in parts) if isinstance(parts, tuple) else parts


Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
"""Networks in CIDR form, written with commas."""

Delays = Annotated[tuple[Annotated[float, Field(gt=0)], ...], NoDecode, BeforeValidator(split)]
"""Seconds, written with commas."""


class WebhookSettings(ServiceSettings):
    """How webhooks are kept and sent.

    `webhook_secret_key` seals the signing secrets at rest; while it is being changed, the one before it stands in
    `webhook_previous_secret_key`. `webhook_allowed_networks` are open to webhooks although they are not public.
    A worker has `webhook_concurrency` attempts under way at once, of which one owner's endpoints get at most
    `webhook_concurrency_per_owner`.
    An endpoint that has failed for `webhook_disable_after_hours` and at least `webhook_disable_after_failures` times in
    a row is disabled. `webhook_send_traceparent` tells receivers the trace of what caused an event.
    """

    webhook_secret_key: Secret
    webhook_previous_secret_key: Secret | None = None
    webhook_allowed_networks: Networks = ()
    webhook_timeout_s: float = Field(10.0, gt=0, le=60)
    webhook_concurrency: int = Field(32, ge=1, le=256)
    webhook_concurrency_per_owner: int = Field(4, ge=1)
    webhook_retry_delays_s: Delays = DELAYS_S
    webhook_disable_after_failures: int = Field(20, ge=1)
    webhook_disable_after_hours: float = Field(72.0, ge=0)
    webhook_retention_days: int = Field(30, ge=1)
    webhook_send_traceparent: bool = False

    @property
    def webhook_keys(self) -> tuple[str, ...]:
        """The keys that open sealed secrets; the first one seals."""
        keys = (self.webhook_secret_key, self.webhook_previous_secret_key)
        return tuple(key.get_secret_value() for key in keys if key)

    @property
    def webhook_https_only(self) -> bool:
        """Whether plain http is refused: in production."""
        return self.environment is Environment.PRODUCTION
