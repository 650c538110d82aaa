"""The Idempotency-Key field (draft-ietf-httpapi-idempotency-key-header-07) and what it is a key to.

The key and a fingerprint of the request go to the owning service, which records both in the transaction of the effect.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import http_sf

from gateway.problems import Problem

LONGEST_KEY: Final = 255


def idempotency_key(headers: Iterable[tuple[bytes, bytes]], *, required: bool) -> str | None:
    """Read the key, a structured-field string (RFC 9651, section 3.3.3) of 1 to 255 characters; None without one.

    Raises:
        Problem: the key is missing though required, or malformed.
    """
    values = [value for name, value in headers if name == b"idempotency-key"]
    if not values:
        if required:
            raise Problem(
                "IDEMPOTENCY_KEY_MISSING",
                "This request needs an Idempotency-Key, a new one for each new intention, "
                'for example Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324".',  # not a secret
            )
        return None
    return _parse(b",".join(values))


def _parse(value: bytes) -> str:
    try:
        key = http_sf.parse(value, tltype="item")[0]  # type: ignore[index] # an item is a pair of value and parameters
    except (ValueError, UnicodeError):
        key = None
    if type(key) is not str or not 1 <= len(key) <= LONGEST_KEY or key != key.strip():
        raise Problem(
            "IDEMPOTENCY_KEY_MALFORMED",
            f"Idempotency-Key must be one string of 1 to {LONGEST_KEY} ASCII characters in double quotes, "
            'for example Idempotency-Key: "k1".',
        )
    return key


def fingerprint(method: str, route: str, parameters: Mapping[str, str], body: Any) -> str:
    """Hash (hex SHA-256) what a request asks for: method, route template, path parameters and the body's JSON value.

    Two spellings of the same JSON value (order of members, white space, escapes) have one fingerprint.
    """
    asked = [method, route, sorted(parameters.items()), body]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
