"""An authenticator without hardware, for tests: makes passkeys and signs with them as a browser would hand them on.

Attestation `none`, keys ES256 (WebAuthn level 3, sections 6.1 and 6.5; RFC 9053).
"""

import hashlib
import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256

from chassis.testing.client import Client
from neoforge.auth.v1 import passkeys_pb2

PRESENT: Final = 0x01
VERIFIED: Final = 0x04
ATTESTED: Final = 0x40


@dataclass
class Key:
    """A passkey on the authenticator."""

    private: EllipticCurvePrivateKey
    user_handle: bytes
    count: int = 0


class Authenticator:
    """Holds passkeys. `step` is by how much its count grows with each signature, `flags` what it says of the person."""

    def __init__(self, origin: str, *, domain: str = "forge.example.test", step: int = 1) -> None:
        self.origin = origin
        self.domain = domain
        self.step = step
        self.flags = PRESENT | VERIFIED
        self.keys: dict[bytes, Key] = {}

    def create(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Make a passkey by creation options; give its RegistrationResponseJSON."""
        id_, private = os.urandom(32), generate_private_key(SECP256R1())
        self.keys[id_] = Key(private, _bytes(options["user"]["id"]))
        point = private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(id_).to_bytes(2, "big") + id_ + cbor2.dumps(cose)
        data = self._data(0, ATTESTED) + attested
        response = {
            "clientDataJSON": _text(self._client_data("webauthn.create", options)),
            "attestationObject": _text(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal", "hybrid"],
        }
        return _credential(id_, response)

    def sign(self, options: Mapping[str, Any], id_: bytes | None = None) -> dict[str, Any]:
        """Sign by request options; give the AuthenticationResponseJSON."""
        allowed = [_bytes(known["id"]) for known in options.get("allowCredentials") or []]
        chosen = id_ or next(known for known in self.keys if not allowed or known in allowed)
        key = self.keys[chosen]
        key.count += self.step
        data, client_data = self._data(key.count), self._client_data("webauthn.get", options)
        signature = key.private.sign(data + hashlib.sha256(client_data).digest(), ECDSA(SHA256()))
        response = {
            "clientDataJSON": _text(client_data),
            "authenticatorData": _text(data),
            "signature": _text(signature),
            "userHandle": _text(key.user_handle),
        }
        return _credential(chosen, response)

    def _data(self, count: int, flags: int = 0) -> bytes:
        return hashlib.sha256(self.domain.encode()).digest() + bytes([self.flags | flags]) + count.to_bytes(4, "big")

    def _client_data(self, type_: str, options: Mapping[str, Any]) -> bytes:
        return json.dumps({"type": type_, "challenge": options["challenge"], "origin": self.origin}).encode()


async def registered(call: Client, caller: Any, device: Authenticator, name: str = "Phone") -> passkeys_pb2.Passkey:
    """Add the device to a person's passkeys."""
    begun = await call(caller, "BeginPasskeyRegistration", passkeys_pb2.BeginPasskeyRegistrationRequest())
    answer = json.dumps(device.create(json.loads(begun.options)))
    request = passkeys_pb2.FinishPasskeyRegistrationRequest(
        challenge_id=begun.challenge_id, credential=answer, name=name
    )
    made: passkeys_pb2.Passkey = (await call(caller, "FinishPasskeyRegistration", request)).passkey
    return made


def _credential(id_: bytes, response: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": _text(id_),
        "rawId": _text(id_),
        "type": "public-key",
        "response": dict(response),
        "clientExtensionResults": {},
    }


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
