"""The status service's own knobs."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic_settings import NoDecode

from chassis.mail.settings import MailSettings
from chassis.settings import Positive, Secret, in_production, split
from chassis.webhooks.settings import WebhookSettings
from status.model.watch import Patience
from status.prober.targets import Target


def _address(value: str, info: ValidationInfo) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("must be an http or https URL")
    if in_production(info) and parts.scheme != "https":
        raise ValueError("must be https in production")
    return value


def _link(value: str, info: ValidationInfo) -> str:
    if value.count("{token}") != 1:
        raise ValueError("must have {token} where the token goes")
    return _address(value, info)


def _targets(value: object) -> object:
    parts = split(value)
    return tuple(Target.parse(part) for part in parts) if isinstance(parts, tuple) else parts


def _distinct(value: tuple[Target, ...]) -> tuple[Target, ...]:
    if len({target.slug for target in value}) < len(value):
        raise ValueError("must name each component once")
    return value


Targets = Annotated[tuple[Target, ...], NoDecode, BeforeValidator(_targets), AfterValidator(_distinct)]
"""What is watched, written `web=https://example.org/health,db=tcp://10.0.0.5:5432,api=grpc://10.0.0.6:8090`."""


class Settings(WebhookSettings, MailSettings):
    """What the status service is told: what every service is, how webhooks and mail are sent, and of the page.

    `subscription_secret` signs the links in mails; a new one ends those that were sent. `subscription_url` is where
    they lead, with `{token}` in it: the gateway's /api/v1/status/subscriptions/{token}, to which a POST unsubscribes
    (RFC 8058). `status_page_url` is where people read the status page. `probes` is what the prober watches, every
    `probe_interval_seconds`; a look takes at most `probe_timeout_seconds`, `probe_failures` failures in a row make an
    outage and `probe_successes` successes in a row end it.
    """

    subscription_secret: Secret
    subscription_url: Annotated[str, AfterValidator(_link)]
    status_page_url: Annotated[str, AfterValidator(_address)]
    probes: Targets = ()
    probe_interval_seconds: Annotated[int, Field(ge=5, le=3_600)] = 30
    probe_timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 5.0
    probe_failures: Positive = 3
    probe_successes: Positive = 2

    @property
    def patience(self) -> Patience:
        """How many results in a row the prober waits for."""
        return Patience(self.probe_failures, self.probe_successes)
