"""Addresses that threats come from are refused for a while what costs a service and needs no identity.

Points, penalties and their ends are kept in Redis, on its clock, for all gateways together; while it is away there are
none. What holds is in docs/threats.md, why in docs/adr/0023-penalties-are-for-addresses-without-an-identity.md.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError
from starlette.types import Scope

from chassis.threats import threats
from gateway import metrics
from gateway.addresses import Network, bucket, parse, truncated, within
from gateway.ratelimit import Scripts
from gateway.representation import Headers
from gateway.threats import GATEWAY, THREATS, may_be_led
from gateway.tiers import MICROSECONDS

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

SCRIPT: Final = files("gateway").joinpath("penalty.lua").read_text(encoding="utf-8")
RECORD: Final = "neoforge:penalty:"
RUNNING: Final = "neoforge:penalties"

DECAY_S: Final = 600
"""In so long as many points go away as a penalty takes."""
MEMORY_S: Final = 3_600
"""So long after its end a penalty makes the next one longer."""
_WATCHED_S: Final = 5.0


@dataclass(frozen=True)
class Rules:
    """From how many `points` on an address is penalised (0: never), how long first and at most, and which never are."""

    points: int
    first_s: int
    longest_s: int
    never: Sequence[Network] = ()

    def arguments(self, points: int) -> list[int]:
        """Give the script's arguments for a threat of so many points."""
        spans = (DECAY_S, self.first_s, self.longest_s, MEMORY_S)
        return [points, self.points, *(seconds * MICROSECONDS for seconds in spans)]


class Penalties:
    """Counts threats, and keeps the points of the addresses that they come from."""

    def __init__(self, scripts: Scripts, rules: Rules, knows: Callable[[Headers], bool] = lambda _: False) -> None:
        """Keep them by these rules; `knows` tells whether the token in a request's headers is known to be good."""
        self._scripts = scripts
        self._rules = rules
        self._knows = knows
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, address: str) -> str | None:
        """Give the key of an address's record in Redis; None where it is never penalised.

        Nobody is punished for who stands behind loopback, a proxy of ours, or an address that is not known.
        """
        known = parse(address) if self._rules.points else None
        if known is None or known.is_loopback or within(known, self._rules.never):
            return None
        return RECORD + bucket(address)

    async def saw(self, kind: str, scope: Scope) -> None:
        """Count a threat in a request, and have its address pay for it unless somebody else may be behind it.

        Who has proved an identity pays nothing: what they do is theirs, and not their neighbours'. What is refused
        before it is asked who sent it is theirs if their token is known. Whoever guesses passwords pays all the same.
        """
        threat, headers = THREATS[kind], scope["headers"]
        if threat.counted_by == GATEWAY:
            threats.labels(kind).inc()
        proved = "neoforge.proved" in scope or (threat.counted_by == GATEWAY and self._knows(headers))
        record = self.record(scope["neoforge.address"])
        if record is None or not threat.points or proved or may_be_led(headers):
            return
        answer = await self._scripts.run((record, RUNNING), *self._rules.arguments(threat.points))
        if answer is None:
            metrics.penalty_points_lost.inc(threat.points)
            return
        left_us, offences, begins, _ = answer
        if begins:
            metrics.address_penalties.inc()
            log.warning(
                "an address is penalised for %d s, its penalty number %d: %s",
                math.ceil(left_us / MICROSECONDS),
                offences,
                kind,
                extra={"network": truncated(scope["neoforge.address"])},
            )

    def saw_refused(self, kind: str, scope: Scope) -> None:
        """Do the same for what was refused before it was a request; nobody waits for it.

        Where the head was not read to its end, nobody knows who sent it.
        """
        if not scope["headers"]:
            if THREATS[kind].counted_by == GATEWAY:
                threats.labels(kind).inc()
            return
        task = asyncio.get_running_loop().create_task(self.saw(kind, scope))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait for what nobody waited for."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclass(frozen=True)
class Penalty:
    """One that runs: whose (an address, or the /64 of an IPv6 one), its number within memory, and its rest."""

    address: str
    offences: int
    left_s: int


async def running(redis: "Redis") -> list[Penalty]:
    """Give the penalties that run, those that end first first.

    Raises:
        RedisError: Redis does not answer.
    """
    now = await _now(redis)
    found: list[Any] = await redis.zrangebyscore(RUNNING, f"({now}", "+inf", withscores=True)
    pipeline = redis.pipeline(transaction=False)
    for record, _ in found:
        pipeline.hget(record, "offences")
    offences = await pipeline.execute() if found else []
    return [
        Penalty(record.decode().removeprefix(RECORD), int(times or 1), math.ceil((ends - now) / MICROSECONDS))
        for (record, ends), times in zip(found, offences, strict=True)
    ]


async def lift(redis: "Redis", address: str) -> bool:
    """Forget what an address did, alone or as the network that `running` gives; False where nothing is known of it.

    Raises:
        RedisError: Redis does not answer.
    """
    known = parse(address.partition("/")[0])
    if known is None:
        return False
    record = RECORD + bucket(str(known))
    forgotten: int = await redis.delete(record)
    await redis.zrem(RUNNING, record)
    return forgotten > 0


async def watch(redis: "Redis") -> None:
    """Tell every five seconds how many penalties run, until cancelled."""
    while True:
        metrics.penalised_addresses.set(await number(redis))
        await asyncio.sleep(_WATCHED_S)


async def number(redis: "Redis") -> int:
    """Give how many penalties run; while Redis does not answer, none does."""
    try:
        return int(await redis.zcount(RUNNING, f"({await _now(redis)}", "+inf"))
    except (RedisError, OSError, TimeoutError):
        return 0


async def _now(redis: "Redis") -> int:
    """Give Redis's time in microseconds."""
    seconds, microseconds = await redis.time()
    return int(seconds) * MICROSECONDS + int(microseconds)
