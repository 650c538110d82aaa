"""Rate limits: one decision per request, made in Redis on Redis's clock, told in both families of headers.

Sources: GCRA (ITU-T I.371), draft-ietf-httpapi-ratelimit-headers-10, RFC 6585 (429), RFC 9110, section 10.2.3
(Retry-After).
"""

import asyncio
import math
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Final, Protocol

from chassis.metrics import begin
from gateway import metrics
from gateway.redisline import Keys
from gateway.tiers import MICROSECONDS, TIERS, Tier

SCRIPT: Final = files("gateway").joinpath("gcra.lua").read_text(encoding="utf-8")

_STRICT_PATIENCE_S: Final = 1.0
"""So long a strict tier waits for Redis: there is nothing else to decide by, and a busy moment must keep nobody out."""
_STRICT_PAUSE_S: Final = 0.05
_LOCAL_BUCKETS: Final = 10_000
"""Buckets kept in memory while Redis is away; the longest unused makes room."""


begin(metrics.rate_limit_decisions, TIERS, ("admitted", "refused"))


@dataclass(frozen=True)
class Decision:
    """Whether a request is admitted, and where its bucket stands now."""

    tier: Tier
    allowed: bool
    left: int
    retry_us: int
    more_us: int
    now_us: int
    reduced: bool = False
    """Whether it is this gateway's part of the quota that was looked at, since nobody counts for all."""
    penalty_us: int = 0
    """How long the address is still refused what needs no identity; 0 without a penalty."""

    @property
    def retry_after_s(self) -> int:
        """Whole seconds after which the same request is admitted, if nobody else takes its place; at least 1."""
        return max(1, math.ceil(self.retry_us / MICROSECONDS))

    @property
    def reset_s(self) -> int:
        """Whole seconds until more is left than now; 0 when the bucket is full."""
        return self.retry_after_s if not self.allowed else math.ceil(self.more_us / MICROSECONDS)

    def penalised(self) -> "Decision":
        """Give the decision that the penalty makes of this one."""
        return replace(self, allowed=False, left=0, retry_us=self.penalty_us)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Both families, from this one decision; X-RateLimit-Reset is in seconds since the epoch."""
        reset_s = self.reset_s
        fields = [
            (b"x-ratelimit-limit", b"%d" % self.tier.quota),
            (b"x-ratelimit-remaining", b"%d" % self.left),
            (b"x-ratelimit-reset", b"%d" % (self.now_us // MICROSECONDS + reset_s)),
            (b"ratelimit-policy", self.tier.policy.encode()),
            (b"ratelimit", b'"%s";r=%d;t=%d' % (self.tier.name.encode(), self.left, reset_s)),
        ]
        if not self.allowed:
            fields.append((b"retry-after", b"%d" % self.retry_after_s))
        return fields


class Uncounted(Exception):
    """Redis does not answer, and the tier admits nothing that is not counted there."""


class Scripts(Protocol):
    """Runs the script in Redis, or says at once that Redis is away."""

    async def run(self, keys: Keys, *arguments: int, patience_s: float | None = None) -> list[int] | None:
        """Give the script's result; None when Redis does not answer in time, its own or that given."""

    def send(self, keys: Keys, *arguments: int) -> None:
        """Run the script after everything asked before, and don't wait for it."""


class Limiter:
    """Decides over requests; in memory, per process, for as long as Redis is away.

    In memory each of `gateways` processes admits its part of a quota, so that all of them together admit no more.
    """

    def __init__(self, scripts: Scripts, gateways: int = 1) -> None:
        self._scripts = scripts
        self._gateways = gateways
        self._local = LocalBuckets()

    async def take(self, tier: Tier, who: str, record: str | None = None) -> Decision:
        """Take one request out of the bucket of `who`, and look for a penalty in the `record` of an address.

        Raises:
            Uncounted: the tier is strict, and Redis does not answer.
        """
        answer: list[int] | None
        if tier.strict:
            answer = await self._take_strictly(tier, who)
        else:
            keys = (_key(tier, who), record) if record else _key(tier, who)
            answer = await self._scripts.run(keys, tier.interval_us, tier.quota, 1)
        if answer is None:
            metrics.rate_limit_local.inc()
            decision = self._local.take(tier.shared_by(self._gateways), who, time.time_ns() // 1_000)
            return replace(decision, reduced=True)
        allowed, left, retry_us, more_us, now_us = answer[:5]
        penalty_us = answer[5] if record else 0
        self._local.learn(tier, who, left, time.time_ns() // 1_000)
        return Decision(tier, bool(allowed), left, retry_us, more_us, now_us, penalty_us=penalty_us)

    async def _take_strictly(self, tier: Tier, who: str) -> list[int]:
        now = asyncio.get_running_loop().time
        until = now() + _STRICT_PATIENCE_S
        while (left_s := until - now()) > 0:
            answer = await self._scripts.run(_key(tier, who), tier.interval_us, tier.quota, 1, patience_s=left_s)
            if answer is not None:
                return answer
            await asyncio.sleep(_STRICT_PAUSE_S)
        raise Uncounted

    def give_back(self, decision: Decision, who: str) -> Decision:
        """Undo a taken request that turned out to cost nothing, and tell how the bucket stands without it."""
        tier = decision.tier
        if not decision.reduced:
            self._scripts.send(_key(tier, who), tier.interval_us, tier.quota, -1)
        self._local.give_back(tier, who)
        left = min(tier.quota, decision.left + 1)
        return replace(decision, left=left, more_us=0 if left == tier.quota else decision.more_us)


class LocalBuckets:
    """The same algorithm in memory."""

    def __init__(self) -> None:
        self._tats: OrderedDict[str, int] = OrderedDict()

    def take(self, tier: Tier, who: str, now_us: int) -> Decision:
        """Take one request out of the bucket of `who` at `now_us` (microseconds since the epoch)."""
        interval = tier.interval_us
        new = max(self._tats.get(key := _key(tier, who), now_us), now_us) + interval
        wait = new - tier.quota * interval - now_us
        if wait > 0:
            return Decision(tier, False, 0, wait, wait, now_us)
        self._keep(key, new)
        used = new - now_us
        return Decision(tier, True, (tier.quota * interval - used) // interval, 0, (used - 1) % interval + 1, now_us)

    def learn(self, tier: Tier, who: str, left: int, now_us: int) -> None:
        """Take over how the bucket stands in Redis: who has used it up there does not begin with a full one here."""
        if left < tier.quota:
            self._keep(_key(tier, who), now_us + (tier.quota - left) * tier.interval_us)
        else:
            self._tats.pop(_key(tier, who), None)

    def give_back(self, tier: Tier, who: str) -> None:
        """Undo a taken request."""
        key = _key(tier, who)
        if key in self._tats:
            self._tats[key] -= tier.interval_us

    def _keep(self, key: str, tat: int) -> None:
        self._tats[key] = tat
        self._tats.move_to_end(key)
        if len(self._tats) > _LOCAL_BUCKETS:
            self._tats.popitem(last=False)


def _key(tier: Tier, who: str) -> str:
    return f"neoforge:limit:{tier.name}:{who}"
