"""The time, for those who may be told another one."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Give the present moment."""
    return datetime.now(UTC)
