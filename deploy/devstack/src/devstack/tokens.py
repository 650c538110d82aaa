"""Access tokens of the local stack: the same form as the real ones, from a key that lies in the data folder."""

from __future__ import annotations

import base64
import hashlib
import time
import uuid
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from chassis.embedded.private_file import write_private
from devstack.errors import StackError
from devstack.people import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIFETIME_SECONDS = 12 * 3600


class Signer:
    """Signs tokens (JWT, RFC 7519, with EdDSA, RFC 8037) for one issuer, with the key that `file` keeps."""

    def __init__(self, file: Path, issuer: str) -> None:
        self._issuer = issuer
        if not file.exists():
            key = Ed25519PrivateKey.generate()
            write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        try:
            loaded = load_pem_private_key(file.read_bytes(), password=None)
        except ValueError as error:
            raise StackError(f"The token key {file} is damaged ({error}). Remove it.") from error
        if not isinstance(loaded, Ed25519PrivateKey):
            raise StackError(f"The token key {file} is no Ed25519 key. Remove it.")
        self._key = loaded
        public = loaded.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
        # The thumbprint of RFC 7638: members in order, no blanks.
        canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{self._x}"}}'
        self._kid = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set (RFC 7517)."""
        key = {"kty": "OKP", "crv": "Ed25519", "x": self._x, "kid": self._kid, "alg": "EdDSA", "use": "sig"}
        return {"keys": [key]}

    def token(self, subject: str, roles: Sequence[str]) -> str:
        """A token of `subject` (a UUID) with a session of its own."""
        now = int(time.time())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(uuid.UUID(subject)),
            "sid": str(uuid.uuid4()),
            "roles": list(roles),
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._kid})
