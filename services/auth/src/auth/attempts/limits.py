"""Limits on tries at a secret: always for a while, never for good; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True)
class Limit:
    """So many tries within a window of time that begins with the first; a new window follows it."""

    name: str
    tries: int
    window: timedelta

    def wait_s(self, tries: int, since: datetime, now: datetime) -> int:
        """Give the seconds until the next try is let through; 0 when this one is."""
        if tries <= self.tries:
            return 0
        return max(1, -int((now - since - self.window) // timedelta(seconds=1)))


FROM_NETWORK: Final = Limit("sign-in from a network", 10, timedelta(minutes=15))
"""Of one account from one network (/24, /48)."""
FROM_STRANGERS: Final = Limit("sign-in from unknown networks", 100, timedelta(hours=1))
"""Of one account from all networks that nobody has signed in from before. Its owner at home is not counted there."""
PASSWORDS: Final = Limit("password of a signed-in person", 10, timedelta(minutes=15))
CODES: Final = Limit("codes of the second factor", 10, timedelta(minutes=15))
"""Of one account from one network that somebody has signed in from before, or from all others together."""
CODES_OF_A_DAY: Final = Limit("codes of the second factor in a day", 50, timedelta(days=1))
"""Counted alike. With three codes good at a time, so many tries find one on one day in 6,600."""
MAILED: Final = Limit("mailed codes", 5, timedelta(hours=1))
"""Requests for a code to one address; beyond, the answer is the same and no mail goes out."""
