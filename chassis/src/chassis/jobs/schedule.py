"""When periodic jobs are due; pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from cronsim import CronSim

from chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NEAR: Final = timedelta(days=2)


@dataclass(frozen=True)
class Schedule(Generic[S]):
    """When a periodic job is due: every so often (a length, or one that settings decide), or by a cron expression."""

    every: timedelta | Callable[[S], timedelta] | None = None
    cron: str | None = None
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    def __post_init__(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise ValueError("a schedule needs one of every and cron")
        if self.cron is not None:
            CronSim(self.cron, _EPOCH)  # a mistake in it is told where it is declared

    def after(self, moment: datetime, settings: S) -> Iterator[datetime]:
        """Give the due times after `moment`, in order, in UTC, without end.

        Starting at a due time gives the same ones that follow it in the whole, so that all schedulers, which start at
        the last due time on record, agree.
        """
        if self.cron is None:
            length = self._length(settings)
            due = _EPOCH + ((moment - _EPOCH) // length + 1) * length
            while True:
                yield due
                due += length
        else:
            for local in CronSim(self.cron, moment.astimezone(self.timezone)):
                due = local.astimezone(UTC)
                if due > moment:  # by the wall clock alone the hour that comes twice would give times gone by
                    yield due

    def latest(self, after: datetime, now: datetime, settings: S) -> datetime | None:
        """Give the last due time in (`after`, `now`], or None."""
        if self.cron is None:
            length = self._length(settings)
            due = _EPOCH + (now - _EPOCH) // length * length
            return due if due > after else None
        # What is due often is found near the end of even a long standstill; what is due seldom makes few steps.
        return self._last(max(after, now - _NEAR), now, settings) or self._last(after, now, settings)

    def _last(self, after: datetime, now: datetime, settings: S) -> datetime | None:
        last = None
        for due in self.after(after, settings):
            if due > now:
                break
            last = due
        return last

    def _length(self, settings: S) -> timedelta:
        if self.every is None:
            raise ValueError("a cron schedule has no length")
        return self.every(settings) if callable(self.every) else self.every

    def describe(self, settings: S) -> str:
        """Give the schedule for people."""
        return f"{self.cron} {self.timezone}" if self.cron else f"every {self._length(settings)}"
