"""Signing secrets at rest: AES-256-GCM (NIST SP 800-38D) under a key of the process's settings."""

import hashlib
import os
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"neoforge webhook signing secrets"


class Unreadable(Exception):
    """A sealed secret was written under a key that the settings no longer hold, or was tampered with."""


class Seal:
    """Seals and opens secrets, each bound to what it belongs to, so that it cannot be moved to another row.

    A sealed secret is the key's name (4 bytes), the nonce (12 bytes), and the ciphertext with its tag. `keys` are at
    least one; the first one seals, all of them open, so that a key can be changed without a pause.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = {_name(key): AESGCM(_derived(key)) for key in keys}
        self._sealing = _name(keys[0])

    def seal(self, secret: str, owner: UUID) -> bytes:
        """Seal a secret that belongs to `owner`."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._sealing + nonce + self._keys[self._sealing].encrypt(nonce, secret.encode(), owner.bytes)

    def open(self, sealed: bytes, owner: UUID) -> str:
        """Give the secret back.

        Raises:
            Unreadable: it was not sealed under one of the keys for this owner.
        """
        name, rest = sealed[:_NAME_BYTES], sealed[_NAME_BYTES:]
        try:
            return self._keys[name].decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], owner.bytes).decode()
        except (KeyError, InvalidTag) as wrong:
            raise Unreadable("a webhook's secret cannot be opened with the keys of this process") from wrong


def _derived(key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())


def _name(key: str) -> bytes:
    return hashlib.sha256(_PURPOSE + _derived(key)).digest()[:_NAME_BYTES]
