"""The text of a personal access token: made of its id and the service's secret, and stored only as a hash.

A repeated creation can so show the same token again, though no table, that of recorded replies included, holds it.
"""

import base64
import binascii
from typing import Final
from uuid import UUID

from auth.secrets import Secrets

PREFIX: Final = "nft_"
"""By which the gateway, and scanners for leaked secrets, know them."""
_PROOF_BYTES: Final = 32


def secret_of(id_: UUID, secrets: Secrets) -> str:
    """Give the token of an id."""
    raw = id_.bytes + secrets.digest("personal access token", id_.bytes)
    return PREFIX + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def hashed(secret: str, secrets: Secrets) -> bytes:
    """Give what is stored of a token."""
    return secrets.digest("hashed personal access token", secret.encode())


def id_in(secret: str) -> UUID | None:
    """Give the id that a token names, None for what has not the form of one; whether it is genuine its hash tells."""
    text = secret.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return UUID(bytes=raw[:16]) if text != secret and len(raw) == 16 + _PROOF_BYTES else None
