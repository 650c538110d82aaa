"""Sessions as frozen values, and the rules of their refresh tokens; pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Final, Self
from uuid import UUID

STEP_UP: Final = timedelta(minutes=10)
"""How long a proof of who is at the device lasts for sensitive acts."""
SEED_BYTES: Final = 32
MAX_LABEL: Final = 100
MAX_USER_AGENT: Final = 400
_PREFIX: Final = {4: 24, 6: 48}


class Verdict(Enum):
    """What a genuine refresh token of some generation deserves."""

    ROTATE = "the current one: it gets a successor"
    REPEAT = "the one before, in time: it gets the same successor again"
    THEFT = "one that was used up: somebody holds a copy"
    ENDED = "one of a session that is over"


@dataclass(frozen=True)
class Lifetimes:
    """How long a session lasts: without a refresh, and at most; and how long the refresh token before the current one
    stays good, if the current one is not used meanwhile.
    """

    idle: timedelta
    absolute: timedelta
    grace: timedelta


@dataclass(frozen=True)
class Session:
    """A session; `generation` numbers its current refresh token, from 1.

    `proved_at` is when somebody last proved who they are in it, `factor_proved_at` when they last did so by a second
    factor or a passkey, `expires_at` when it ends without a refresh, `ends_at` when it ends anyway.
    """

    id: UUID
    user_id: UUID
    seed: bytes
    generation: int
    rotated_at: datetime
    label: str
    user_agent: str
    address: str
    created_at: datetime
    proved_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ends_at: datetime
    revoked_at: datetime | None = None
    revoked_because: str | None = None
    factor_proved_at: datetime | None = None

    @classmethod
    def new(
        cls,
        *,
        id: UUID,  # noqa: A002 - the field's name
        user_id: UUID,
        seed: bytes,
        label: str,
        user_agent: str,
        address: str,
        now: datetime,
        lifetimes: Lifetimes,
        with_factor: bool = False,
    ) -> Self:
        """Begin a session; `with_factor` says that it was by a second factor or a passkey."""
        return cls(
            id=id,
            user_id=user_id,
            seed=seed,
            generation=1,
            rotated_at=now,
            label=label,
            user_agent=user_agent[:MAX_USER_AGENT],
            address=network(address),
            created_at=now,
            proved_at=now,
            last_used_at=now,
            expires_at=now + min(lifetimes.idle, lifetimes.absolute),
            ends_at=now + lifetimes.absolute,
            factor_proved_at=now if with_factor else None,
        )

    def live(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.revoked_at is None and now < self.expires_at

    def judge(self, generation: int, now: datetime, lifetimes: Lifetimes) -> Verdict:
        """Tell what a genuine refresh token of this session deserves.

        The counter orders tokens. The clock says only whether the one before the current is still in its grace; since
        using the current one moves the counter, that also ends with the first use of its successor.
        """
        if not self.live(now):
            return Verdict.ENDED
        if generation == self.generation:
            return Verdict.ROTATE
        if generation == self.generation - 1 and now - self.rotated_at <= lifetimes.grace:
            return Verdict.REPEAT
        return Verdict.THEFT

    def rotated(self, address: str, now: datetime, lifetimes: Lifetimes) -> Self:
        """Give the session at its next generation."""
        return replace(
            self,
            generation=self.generation + 1,
            rotated_at=now,
            last_used_at=now,
            address=network(address) or self.address,
            expires_at=min(now + lifetimes.idle, self.ends_at),
        )

    def proved(self, now: datetime, *, with_factor: bool) -> bool:
        """Whether somebody proved lately who they are, with a second factor where that is asked for."""
        at = self.factor_proved_at if with_factor else self.proved_at
        return at is not None and now - at <= STEP_UP


def network(address: str) -> str:
    """Give the network of an address, as much of it as is kept: /24 of IPv4, /48 of IPv6; empty when it is none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    return str(ip_network(f"{parsed}/{_PREFIX[parsed.version]}", strict=False))
