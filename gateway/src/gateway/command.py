"""What operators ask of the gateway's command beside serving: which addresses are penalised, and to let one off."""

import sys

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway import penalties
from gateway.addresses import parse
from gateway.settings import GatewaySettings


async def answer(settings: GatewaySettings, lifted: str | None) -> int:
    """Print the penalties that run, or forget what the `lifted` address did; give the exit code."""
    async with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        try:
            return await (_show(redis) if lifted is None else _lift(redis, lifted))
        except (RedisError, OSError) as fault:
            _tell(f"Redis does not answer: {fault}")
            return 2


async def _show(redis: Redis) -> int:
    found = await penalties.running(redis)
    for penalty in found:
        line = f"{penalty.address}  {penalty.left_s} s left, number {penalty.offences}"
        print(line)  # noqa: T201 - a command's answer
    _tell(f"{len(found)} penalised")
    return 0


async def _lift(redis: Redis, address: str) -> int:
    if parse(address.partition("/")[0]) is None:
        _tell(f"{address} is no address")
        return 2
    known = await penalties.lift(redis, address)
    _tell(f"{address} is penalised no more" if known else f"nothing is known of {address}")
    return 0 if known else 1


def _tell(what: str) -> None:
    print(what, file=sys.stderr)  # noqa: T201 - a command's answer
