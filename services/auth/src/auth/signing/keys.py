"""Signing keys, and which of them sign and are published at a moment; pure but for the making of one."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from auth.secrets import Secrets

LEAD: Final = timedelta(minutes=10)
"""How long a key is published before it signs: longer than gateways keep a key set."""
OVERLAP: Final = timedelta(minutes=20)
"""How long a key is published after its successor signs: longer than any access token lives."""
_PURPOSE: Final = "signing key"


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key; its id is the thumbprint of RFC 7638, its private part is sealed."""

    id: str
    public: bytes
    sealed_private: bytes
    created_at: datetime
    signs_from: datetime

    @classmethod
    def new(cls, secrets: Secrets, now: datetime, signs_from: datetime) -> Self:
        """Make a key."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        id_ = _thumbprint(public)
        raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        return cls(id_, public, secrets.seal(_PURPOSE, raw, id_.encode()), now, signs_from)

    def private(self, secrets: Secrets) -> Ed25519PrivateKey:
        """Open the private part.

        Raises:
            Unreadable: it was sealed under another secret.
        """
        return Ed25519PrivateKey.from_private_bytes(secrets.open(_PURPOSE, self.sealed_private, self.id.encode()))

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part as a JSON Web Key (RFC 7517, RFC 8037)."""
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(self.public), "kid": self.id, "alg": "EdDSA", "use": "sig"}


def signing(keys: Sequence[SigningKey], now: datetime) -> SigningKey | None:
    """Give the key that signs now: the latest whose time has come."""
    begun = [key for key in keys if key.signs_from <= now]
    return max(begun, key=_age, default=None)


def published(keys: Sequence[SigningKey], now: datetime) -> list[SigningKey]:
    """Give the keys that verify now: those to come, the one that signs, and those before while their tokens live."""
    ordered = sorted(keys, key=_age)
    successors = [*ordered[1:], None]
    return [
        key
        for key, successor in zip(ordered, successors, strict=True)
        if successor is None or now < successor.signs_from + OVERLAP
    ]


def _age(key: SigningKey) -> tuple[datetime, str]:
    return key.signs_from, key.id


def _thumbprint(public: bytes) -> str:
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{_text(public)}"}}'
    return _text(hashlib.sha256(canonical.encode()).digest())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
