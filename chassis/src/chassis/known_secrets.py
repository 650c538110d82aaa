"""The secrets that a process knows by their value, and hides wherever they stand and however they are encoded."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote, quote_plus

HIDDEN: Final = "[redacted]"

_SHORTEST: Final = 8
"""Characters; what is shorter is no secret, and stands in other words."""
_PIECE: Final = 4
_STRIDE: Final = _SHORTEST - _PIECE + 1
"""Of a text's pieces that begin so far apart, one at least lies within whatever has `_SHORTEST` characters."""
_GROUP: Final = 3
"""Bytes that base64 writes at a time (RFC 4648, section 4): a text is written in as many ways, by where it begins."""


class KnownSecrets:
    """Begins without any; `hide` tells it of some."""

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._pieces: frozenset[str] = frozenset()

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide these values, of at least eight characters, from now on."""
        known = {form for secret in secrets if len(secret) >= _SHORTEST for form in _forms(secret)}
        # The longest first: one may be a part of another.
        self._forms = tuple(sorted(known.union(self._forms), key=lambda form: (-len(form), form)))
        self._pieces = frozenset(form[at : at + _PIECE] for form in self._forms for at in range(len(form) - _PIECE + 1))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Give where they stand in the text, each by where it begins and ends."""
        # Most texts have no piece of any, and cost no more than this.
        if self._pieces.isdisjoint([text[at : at + _PIECE] for at in range(0, len(text), _STRIDE)]):
            return []
        found = []
        for form in self._forms:
            at = text.find(form)
            while at >= 0:
                found.append((at, at + len(form)))
                at = text.find(form, at + 1)
        return found


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    for quoted in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield quoted[1:-1]
    octets = secret.encode()
    yield from (octets.hex(), octets.hex().upper(), repr(octets)[2:-1])
    for before in range(_GROUP):
        # What stands before it or behind it has a part in the characters at its ends.
        first, whole = -(-before * 4 // _GROUP), (before + len(octets)) // _GROUP * 4
        for encode in (b64encode, urlsafe_b64encode):
            written = encode(b"\0" * before + octets).decode()[first:whole]
            if len(written) >= _SHORTEST:
                yield written
