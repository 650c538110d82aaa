"""How a service says which jobs it has: beside their code, with their limits and their schedule."""

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from chassis.jobs.schedule import Schedule
from chassis.settings import ServiceSettings

if TYPE_CHECKING:
    from chassis.jobs.work import Work

S = TypeVar("S", bound=ServiceSettings)

Run: TypeAlias = "Callable[[Work[S]], Awaitable[None]]"
"""What a job does."""


@dataclass(frozen=True)
class Queue:
    """A queue of a service's jobs, with as many threads of its own in each worker as its settings say.

    What waits in one queue never takes the threads of another.
    """

    name: str
    threads: "Callable[[Any], int]" = lambda settings: int(settings.worker_concurrency)


DEFAULT: Final = Queue("default")
SLOW: Final = Queue("slow")
"""For what takes long or waits for the operator's own servers: mail, clean-ups."""


class Permanent(Exception):
    """Raised by a job: no further attempt can succeed, the message becomes a dead letter at once."""


class RetryAt(Exception):
    """Raised by a job: this attempt failed, and the next one is to be at `moment` (aware), not by the back-off."""

    def __init__(self, moment: datetime, reason: str) -> None:
        super().__init__(reason)
        self.moment = moment


@dataclass(frozen=True)
class Backoff:
    """How long a failed job waits: `first_s` doubled with each attempt up to `most_s`, of that a random half to all.

    The randomness keeps what failed together from coming back together.
    """

    first_s: float = 2.0
    most_s: float = 3600.0

    def delay(self, attempt: int, chance: Callable[[], float] = random.random) -> timedelta:
        """Give the wait after attempt number `attempt` (from 1)."""
        # The exponent is bounded so that the power stays a number.
        whole = min(self.most_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        return timedelta(seconds=whole * (0.5 + 0.5 * chance()))


@dataclass(frozen=True)
class Job(Generic[S]):
    """A declared job; see `Jobs.job`."""

    kind: str
    run: "Run[S]"
    timeout_s: float
    max_attempts: int
    queue: Queue
    backoff: Backoff
    schedule: Schedule[S] | None = None


class Jobs(Generic[S]):
    """The jobs of a service, or of a part of the chassis that a service includes.

    jobs = Jobs[Settings]()

    @jobs.job("project.event", timeout_s=10)
    async def tell(work: Work[Settings]) -> None:
        ...

    @jobs.periodic("projects.prune", cron="0 3 * * *", timezone="Europe/Berlin")
    async def prune(work: Work[Settings]) -> None:
        ...
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Job[S]] = {}

    def job(
        self,
        kind: str,
        *,
        timeout_s: float = 30.0,
        max_attempts: int = 10,
        queue: Queue = DEFAULT,
        backoff: Backoff = Backoff(),
    ) -> "Callable[[Run[S]], Run[S]]":
        """Declare the coroutine that handles messages of this kind.

        It may run more than once for a message, never twice at the same time, until it has committed its effect through
        `work.finish()`; see `Work`.

        Args:
            kind: what messages name it by; `<thing>.<event>`.
            timeout_s: an attempt that takes longer is cancelled and has failed.
            max_attempts: after so many the message is a dead letter.
            queue: what it may stand behind. What is quick goes through DEFAULT, what takes long through SLOW, and
                what waits for strangers through a queue of its own.
            backoff: the wait between attempts.
        """

        def declare(run: "Run[S]") -> "Run[S]":
            self._add(Job(kind, run, timeout_s, max_attempts, queue, backoff))
            return run

        return declare

    def periodic(
        self,
        kind: str,
        *,
        every: timedelta | Callable[[S], timedelta] | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        timeout_s: float = 300.0,
        max_attempts: int = 3,
        queue: Queue = DEFAULT,
        backoff: Backoff = Backoff(),
    ) -> "Callable[[Run[S]], Run[S]]":
        """Declare a coroutine that runs by the clock, once per due time however many schedulers there are.

        Give one of `every` and `cron`. Due times of `every` are whole multiples of it since 1970, the same for all
        schedulers. A cron expression (five fields) means the wall clock of `timezone`, and keeps Debian cron's promises
        when that changes: a fixed time inside the hour that is skipped runs right after it, one inside the hour that
        comes twice runs once. After a standstill the last missed due time runs, once. A run is skipped while the one
        before it waits or runs. `work.payload["due_at"]` is the due time (RFC 3339).
        """
        schedule = Schedule[S](every, cron, ZoneInfo(timezone))

        def declare(run: "Run[S]") -> "Run[S]":
            self._add(Job(kind, run, timeout_s, max_attempts, queue, backoff, schedule))
            return run

        return declare

    def include(self, others: "Jobs[Any]") -> None:
        """Add the jobs that a part of the chassis brings (mail, webhooks, clean-ups)."""
        for job in others:
            self._add(job)

    def get(self, kind: str) -> Job[S] | None:
        """Give the job of this kind, or None."""
        return self._jobs.get(kind)

    def __iter__(self) -> Iterator[Job[S]]:
        return iter(self._jobs.values())

    def _add(self, job: Job[S]) -> None:
        if self._jobs.setdefault(job.kind, job) is not job:
            raise ValueError(f"there are two jobs {job.kind}")
