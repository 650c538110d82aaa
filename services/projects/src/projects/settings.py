"""The projects service's own knobs."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, ValidationInfo

from chassis.mail.settings import MailSettings
from chassis.settings import Secret, in_production
from chassis.webhooks.settings import WebhookSettings


def _link(value: str, info: ValidationInfo) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"https", "http"} or not parts.hostname or value.count("{token}") != 1:
        raise ValueError("must be an http or https URL with {token} where the token goes")
    if in_production(info) and parts.scheme != "https":
        raise ValueError("must be https in production: who reads the link can accept the invitation")
    return value


class Settings(WebhookSettings, MailSettings):
    """What the projects service is told: what every service is, how webhooks and mail are sent, and of invitations.

    `invitation_secret` signs the links of invitations; a new one ends those that are pending. `invitation_url` is where
    a link leads, with `{token}` in it, for example https://forge.example.org/invitations#{token}.
    """

    invitation_secret: Secret
    invitation_url: Annotated[str, AfterValidator(_link)]
