"""The classes of requests that share a quota: the one table that decisions, settings and docs/api.md are made from."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True)
class Tier:
    """A class of requests that share a quota: `quota` at once, refilled evenly over `window_s` seconds."""

    name: str
    quota: int
    window_s: int
    counted_by: str = "person"
    """Whose bucket it is: a `person`'s, or an `address`'s (of IPv6, a /64's)."""
    what: str = ""
    """Which requests, for who reads the table."""
    strict: bool = False
    """Whether nothing is admitted while nobody counts for all gateways together."""

    @property
    def interval_us(self) -> int:
        """Microseconds that one request is worth."""
        return math.ceil(self.window_s * MICROSECONDS / self.quota)

    @property
    def policy(self) -> str:
        """The tier as a RateLimit-Policy item."""
        return f'"{self.name}";q={self.quota};w={self.window_s}'

    def shared_by(self, gateways: int) -> "Tier":
        """Give this gateway's part of the quota, where each of so many counts for itself."""
        return replace(self, quota=max(1, self.quota // gateways))


TIERS: Final[dict[str, Tier]] = {
    tier.name: tier
    for tier in (
        Tier("reads", 3_000, 60, "person", "`GET` and `HEAD` with a valid token"),
        Tier("writes", 600, 60, "person", "everything else with a valid token"),
        Tier("public", 300, 60, "address", "what is shown to everyone, without a token"),
        Tier("anonymous", 120, 60, "address", "anything else without a valid token, and with a bad one"),
        Tier("credentials", 60, 60, "address", "passwords and codes", strict=True),
        Tier("mails", 20, 60, "address", "what mails somebody a code or a link", strict=True),
        Tier("refreshes", 600, 60, "address", "refresh tokens", strict=True),
    )
}


def parse_tiers(changes: Iterable[str]) -> dict[str, Tier]:
    """Read changes to tiers, each `tier=requests/seconds`.

    Raises:
        ValueError: no such tier, or not of that form.
    """
    tiers = {}
    for change in changes:
        found = re.fullmatch(r"([a-z]+)=([1-9][0-9]{0,8})/([1-9][0-9]{0,5})", change)
        if found is None or found[1] not in TIERS:
            raise ValueError(f"{change!r} is not tier=requests/seconds with a tier of {', '.join(TIERS)}")
        tiers[found[1]] = replace(TIERS[found[1]], quota=int(found[2]), window_s=int(found[3]))
    return tiers


def table() -> str:
    """Give the tiers as a table in Markdown."""
    rows = [
        f"| `{tier.name}`: {tier.what} | {tier.counted_by} | {tier.quota:,} in {tier.window_s} s"
        f"{'; none while Redis is away' if tier.strict else ''} |"
        for tier in TIERS.values()
    ]
    head = ["| Requests | Counted by | Quota, unless `NEOFORGE_QUOTAS` says otherwise |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"
