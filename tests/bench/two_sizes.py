"""Whether calls take as long on a large table as on a small one; for the benches beside this."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

from chassis.identity import Caller
from chassis.testing.client import Client

FACTOR = 1.5
WARM = 10
"""Calls before the first that counts: prepared statements and caches are warm by then."""


async def compare(
    serve: Callable[[int, AsyncExitStack], Awaitable[Client]],
    asked: Mapping[str, tuple[Caller, str, Any]],
    small: int,
    large: int,
    calls: int,
) -> bool:
    """Serve both sizes, ask both in turns, print the times, and say whether the large one's p95 is above the factor."""
    async with AsyncExitStack() as stack:
        clients = [await serve(rows, stack) for rows in (small, large)]
        everything: tuple[list[float], list[float]] = ([], [])
        print(f"{'':38} {small:>8,}: p50    p95 | {large:>8,}: p50    p95 | p95 ratio")
        for name, ask in asked.items():
            times: tuple[list[float], list[float]] = ([], [])
            for call in range(calls + WARM):
                for client, taken in zip(clients, times, strict=True):
                    took = await ms(client, *ask)
                    if call >= WARM:
                        taken.append(took)
            (p50, p95), (large_p50, large_p95) = map(quantiles, times)
            for all_of, taken in zip(everything, times, strict=True):
                all_of.extend(taken)
            print(f"{name:38} {p50:14.1f} {p95:6.1f} | {large_p50:14.1f} {large_p95:6.1f} | {large_p95 / p95:9.2f}")
        before, after = quantiles(everything[0])[1], quantiles(everything[1])[1]
        print(f"{'all together':38} {'':14} {before:6.1f} | {'':14} {after:6.1f} | {after / before:9.2f}")
    return after > before * FACTOR


async def ms(client: Client, caller: Caller, method: str, request: Any) -> float:
    """Give how long a call took, in milliseconds."""
    started = time.perf_counter()
    await client(caller, method, request)
    return (time.perf_counter() - started) * 1000


def quantiles(taken: list[float]) -> tuple[float, float]:
    """Give the median and the 95th percentile."""
    cuts = statistics.quantiles(taken, n=20)
    return cuts[9], cuts[18]
