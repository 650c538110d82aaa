"""When an attempt that failed is made again: exponential steps with jitter, and what the receiver asks for; pure."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS_S: Final = (5.0, 30.0, 120.0, 600.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0)
"""Seconds after each failed attempt: nine attempts in about 22 hours."""

LONGEST_WISH: Final = timedelta(hours=12)
"""A receiver's Retry-After counts up to here."""

FAILURES_BEFORE_REST: Final = 5
_SHORTEST_REST: Final = timedelta(seconds=10)
_LONGEST_REST: Final = timedelta(minutes=10)
_REST: Final = 10
"""An endpoint rests for a tenth of the time for which it has failed."""

_SHORTEST_WAIT: Final = timedelta(seconds=1)
_LONGEST_WAIT: Final = timedelta(seconds=30)
"""Bounds of how long a message waits for one of its owner's places."""

_SPREAD: Final = 0.2
"""Steps vary by so much either way, so that a receiver that comes back is not met by everything at once."""


def next_attempt(
    failed: int,
    now: datetime,
    retry_after: str = "",
    *,
    delays_s: Sequence[float] = DELAYS_S,
    chance: Callable[[], float] = random.random,
) -> datetime | None:
    """Give the time of the next attempt, or None when there is none.

    Args:
        failed: how many attempts have failed, at least 1.
        now: when the last one ended.
        retry_after: the Retry-After field of the answer (RFC 9110, section 10.2.3); never makes it sooner.
        delays_s: seconds after each failed attempt.
        chance: gives numbers from 0 to 1.
    """
    if failed > len(delays_s):
        return None
    step = timedelta(seconds=delays_s[failed - 1] * (1 - _SPREAD + 2 * _SPREAD * chance()))
    return now + max(step, min(_wish(retry_after, now), LONGEST_WISH))


def rest(failures: int, failing_for: timedelta) -> timedelta:
    """Give how long an endpoint is left alone that failed so often in a row, for so long; nothing at first.

    So that one that hangs, however many messages wait for it, takes a small part of the workers' time and no more.
    """
    if failures < FAILURES_BEFORE_REST:
        return timedelta(0)
    return min(max(failing_for / _REST, _SHORTEST_REST), _LONGEST_REST)


def queue_again(since: datetime, now: datetime, chance: Callable[[], float] = random.random) -> datetime:
    """Give when a message that waits since then looks for a place again: after about as long as it has waited.

    So that ten thousand of one owner's that wait behind a few slow ones cost little while they do.
    """
    longest = min(max(now - since, _SHORTEST_WAIT), _LONGEST_WAIT)
    return spread(now + longest / 2, longest / 2, chance)


def spread(moment: datetime, over: timedelta, chance: Callable[[], float] = random.random) -> datetime:
    """Give a time from `moment` on, within `over`."""
    return moment + over * chance()


def _wish(retry_after: str, now: datetime) -> timedelta:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), LONGEST_WISH.total_seconds()))
    try:
        moment = parsedate_to_datetime(text)
        return max(timedelta(0), (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now)
    except (ValueError, OverflowError):  # a stranger wrote it: an hour or an offset of twenty digits, a year before 1
        return timedelta(0)
