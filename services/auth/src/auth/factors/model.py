"""The second factor as a frozen value, and the rules of its codes (TOTP, RFC 6238); pure."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode
from uuid import UUID

import pyotp

PERIOD_S: Final = 30
WINDOW: Final = 1
"""How many time steps before and after the present one a code may be of (RFC 6238, section 5.2)."""
CONFIRM_WITHIN: Final = timedelta(minutes=30)
_DIGITS: Final = 6


@dataclass(frozen=True)
class Totp:
    """An authenticator app of an account; the second factor is on from `confirmed_at`.

    `last_step` is the time step of the last code that was taken, before which none is taken any more.
    """

    account_id: UUID
    sealed_secret: bytes
    last_step: int
    created_at: datetime
    confirmed_at: datetime | None

    def waits(self, now: datetime) -> bool:
        """Whether it can still be confirmed."""
        return self.confirmed_at is None and now < self.created_at + CONFIRM_WITHIN


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Give the time step that a code is of, None when it is of none near the present.

    Args:
        secret: in Base32 (RFC 4648).
        code: six digits; blanks don't matter.
        now: the present moment.
    """
    bare = "".join(code.split())
    if len(bare) != _DIGITS or not bare.isascii() or not bare.isdecimal():
        return None
    present = int(now.timestamp()) // PERIOD_S
    codes = pyotp.HOTP(secret)
    near = range(present - WINDOW, present + WINDOW + 1)
    matching = [step for step in near if hmac.compare_digest(codes.at(step), bare)]
    return max(matching, default=None)


def uri_of(secret: str, issuer: str, account: str) -> str:
    """Give the otpauth address that apps read (Key URI format of Google Authenticator).

    Some apps undo the percent signs of the label before they cut it at its colon. So a product's name with a colon of
    its own stands in the parameter alone, which they prefer anyway.
    """
    label = quote(account, safe="@") if ":" in issuer else f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    values = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": str(_DIGITS), "period": str(PERIOD_S)}
    return f"otpauth://totp/{label}?{urlencode(values, quote_via=quote)}"
