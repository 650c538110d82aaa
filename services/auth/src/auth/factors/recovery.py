"""Recovery codes, for who has lost their authenticator app: ten, each good once; pure but for the dice."""

import secrets as dice
from typing import Final
from uuid import UUID

from auth.secrets import Secrets

HOW_MANY: Final = 10
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's Base32: without letters that look like digits."""
_LOOKALIKES: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_LENGTH: Final = 12
"""Characters of 5 bits: 60 bits, beyond any guessing at the speed of an API."""


def fresh() -> list[str]:
    """Give ten new codes as people see them, `XXXX-XXXX-XXXX`."""
    return [_shown("".join(dice.choice(_ALPHABET) for _ in range(_LENGTH))) for _ in range(HOW_MANY)]


def hashed(code: str, account_id: UUID, secrets: Secrets) -> bytes:
    """Give what is stored of a code; capitals, hyphens, blanks and lookalikes don't matter."""
    bare = code[:100].upper().translate(_LOOKALIKES)
    return secrets.digest("recovery code", account_id.bytes, bare.encode())


def _shown(code: str) -> str:
    return "-".join(code[i : i + 4] for i in range(0, _LENGTH, 4))
