"""Whether calls take as long on a large table as on a small one; for the benches beside this."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from chassis.identity import Caller
from chassis.testing.client import Client

FACTOR = 1.5
WARM = 10
"""Calls before the first that counts: prepared statements and caches are warm by then."""

DEEPEST = 200
"""Pages of 100 rows that are turned at most before a deep one is asked for."""


@dataclass(frozen=True)
class Ask:
    """A call: whose, which and what; `deep` in a list is three quarters down, by the cursors that lead there."""

    caller: Caller
    method: str
    request: Any
    deep: bool = False


async def compare(
    serve: Callable[[int, AsyncExitStack], Awaitable[Client]],
    asked: Mapping[str, Ask],
    small: int,
    large: int,
    calls: int,
) -> bool:
    """Serve both sizes, ask both in turns, print the times, and say whether the large one's p95 is above the factor.

    `rows` are those of the answers: what has more of them takes longer at any size.
    """
    async with AsyncExitStack() as stack:
        clients = [await serve(rows, stack) for rows in (small, large)]
        everything: tuple[list[float], list[float]] = ([], [])
        print(f"{'':44} {small:>8,}: p50    p95 rows | {large:>8,}: p50    p95 rows | p95 ratio")
        for name, ask in asked.items():
            times: tuple[list[float], list[float]] = ([], [])
            requests = [await _placed(client, ask, size) for client, size in zip(clients, (small, large), strict=True)]
            rows = [
                _rows(await client(ask.caller, ask.method, request))
                for client, request in zip(clients, requests, strict=True)
            ]
            for call in range(calls + WARM):
                for client, request, taken in zip(clients, requests, times, strict=True):
                    took = await ms(client, ask.caller, ask.method, request)
                    if call >= WARM:
                        taken.append(took)
            (p50, p95), (large_p50, large_p95) = map(quantiles, times)
            for all_of, taken in zip(everything, times, strict=True):
                all_of.extend(taken)
            print(
                f"{name:44} {p50:14.1f} {p95:6.1f} {rows[0]:4} | {large_p50:14.1f} {large_p95:6.1f} {rows[1]:4} |"
                f" {large_p95 / p95:9.2f}"
            )
        before, after = quantiles(everything[0])[1], quantiles(everything[1])[1]
        print(f"{'all together':44} {'':14} {before:6.1f} {'':4} | {'':14} {after:6.1f} {'':4} | {after / before:9.2f}")
    return after > before * FACTOR


async def _placed(client: Client, ask: Ask, rows: int) -> Any:
    if not ask.deep:
        return ask.request
    request = type(ask.request)()
    request.CopyFrom(ask.request)
    request.page_size = 100
    for _ in range(min(rows * 3 // 400, DEEPEST)):
        request.cursor = (await client(ask.caller, ask.method, request)).page.next_cursor
    request.page_size = ask.request.page_size
    return request


def _rows(reply: Any) -> int:
    return sum(
        len(value) for _, value in reply.ListFields() if hasattr(value, "MergeFrom") and hasattr(value, "__len__")
    )


async def ms(client: Client, caller: Caller, method: str, request: Any) -> float:
    """Give how long a call took, in milliseconds."""
    started = time.perf_counter()
    await client(caller, method, request)
    return (time.perf_counter() - started) * 1000


def quantiles(taken: list[float]) -> tuple[float, float]:
    """Give the median and the 95th percentile."""
    cuts = statistics.quantiles(taken, n=20)
    return cuts[9], cuts[18]
