"""Signatures of webhooks (Standard Webhooks 1.0.0, symmetric `v1`): what a receiver checks to know who sent what."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from standardwebhooks import Webhook

_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """Make a signing secret: `whsec_` and the base64 of 256 random bits."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(message_id: str, moment: datetime, body: str, signing_secrets: Sequence[str]) -> dict[str, str]:
    """Give the headers of one attempt: id, time and one signature per secret.

    Args:
        message_id: the same on every attempt, by which a receiver knows a repetition.
        moment: of this attempt, in UTC; receivers refuse one that is minutes away from their clock.
        body: exactly what is sent.
        signing_secrets: those that are valid now, the newest first; several while a rotation goes on.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, moment, body) for secret in signing_secrets),
    }
