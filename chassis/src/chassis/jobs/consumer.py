"""Runs jobs: takes a lease on a message, runs the job of its kind, and records what became of it."""

import asyncio
import contextlib
import logging
import time
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar
from uuid import UUID, uuid4

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind

from chassis import logs, telemetry
from chassis.errors import DomainError
from chassis.house import House
from chassis.jobs import metrics
from chassis.jobs.declaration import Job, Jobs, Permanent, RetryAt
from chassis.jobs.store import JobStore, Message
from chassis.jobs.work import SUCCEEDED, LeaseLost, Work
from chassis.settings import ServiceSettings
from chassis.telemetry import propagator, tracer

log = logging.getLogger(__name__)

S = TypeVar("S", bound=ServiceSettings)

LEASE: Final = timedelta(seconds=15)
"""After so long without a sign of life from its worker a message goes to another one."""
RENEWAL_S: Final = 4.0
"""How often a worker gives that sign; three may get lost."""

FAILED: Final = "failed"
DEAD: Final = "dead"
RETURNED: Final = "returned"
LOST: Final = "lost"


class Consumer(Generic[S]):
    """The jobs of one service, run in its house."""

    def __init__(self, service: str, jobs: Jobs[S], store: JobStore, house: House[S]) -> None:
        self._service = service
        self._jobs = jobs
        self._store = store
        self._house = house
        self._running: dict[UUID, Message] = {}
        self._handling: set[asyncio.Task[Any]] = set()

    @property
    def running(self) -> int:
        """How many jobs run in this process."""
        return len(self._running)

    async def settled(self, timeout_s: float) -> None:
        """Return when every message that was begun is settled or given back, or after that time."""
        if self._handling:
            await asyncio.wait(tuple(self._handling), timeout=timeout_s)

    async def renew(self) -> None:
        """Renew the leases of the jobs that run, until cancelled."""
        while True:
            await asyncio.sleep(RENEWAL_S)
            if not self._running:
                continue
            try:
                async with self._house.database.connection() as connection:
                    await self._store.prolong(connection, list(self._running.values()), LEASE)
            except DomainError as away:
                log.warning("leases could not be renewed: %s", away)

    async def handle(self, id: UUID, sender: str | None = None) -> str | None:  # noqa: A002 - the message's id
        """Handle a message that was handed out, and give the outcome; None if there is nothing to be done (any more).

        `sender` is the traceparent of the span that handed it out. Cancelling gives the message back.
        """
        if (task := asyncio.current_task()) is not None:
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)
        async with self._house.database.connection() as connection:
            message = await self._store.take(connection, id, uuid4(), LEASE)
        if message is None:
            return None
        job = self._jobs.get(message.kind)
        queue = f"{self._service}.{job.queue.name}" if job else self._service
        parent = sender or message.traceparent
        # The span that sent a message is its creation context: parent of its processing, and linked to as well, which
        # is where tools look that know of batches.
        context = propagator.extract({"traceparent": parent} if parent else {})
        created = trace.get_current_span(context).get_span_context()
        logs.request_id.set(message.request_id)
        self._running[message.lease] = message
        started = time.perf_counter()
        outcome = FAILED
        try:
            with tracer.start_as_current_span(
                f"process {queue}",
                context=context,
                kind=SpanKind.CONSUMER,
                links=[Link(created)] if created.is_valid else [],
                attributes={
                    "messaging.system": "celery",
                    "messaging.operation.name": "process",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": queue,
                    "messaging.message.id": str(message.id),
                    "neoforge.job.kind": message.kind,
                    "neoforge.job.attempt": message.attempt,
                },
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                outcome = await self._attempt(message, job)
                span.set_attribute("neoforge.job.outcome", outcome)
        except asyncio.CancelledError:
            outcome = RETURNED
            raise
        finally:
            del self._running[message.lease]
            metrics.job_duration.labels(message.kind, outcome).observe(time.perf_counter() - started)
        return outcome

    async def _attempt(self, message: Message, job: Job[S] | None) -> str:
        if message.attempt > 1:
            metrics.job_retries.labels(message.kind).inc()
        if job is None:
            return await self._failed(message, None, Permanent(f"there is no job {message.kind}"))
        if message.attempt > job.max_attempts:
            # Only an attempt that ended with its process leaves no failure behind.
            return await self._failed(message, job, Permanent("the worker died during each of its attempts"))
        work = Work(message, self._house, self._store, periodic=job.schedule is not None)
        try:
            async with asyncio.timeout(job.timeout_s) as limit:
                await job.run(work)
                if not work.finished:
                    async with work.finish():
                        pass
        except LeaseLost:
            log.warning("%s %s: the lease was lost, nothing was done", message.kind, message.id)
            return LOST
        except asyncio.CancelledError:
            with contextlib.suppress(DomainError):  # then its lease runs out
                await asyncio.shield(self._return(message))
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a job raises is its failure
            late = TimeoutError(f"took longer than {job.timeout_s:g} s")
            return await self._failed(message, job, late if limit.expired() else failure)
        log.info("%s %s is done", message.kind, message.id, extra={"attempt": message.attempt})
        return SUCCEEDED

    async def _return(self, message: Message) -> None:
        async with self._house.database.connection() as connection:
            await self._store.give_back(connection, message)
        self._house.outbox.ring()
        log.info("%s %s is given back", message.kind, message.id)

    async def _failed(self, message: Message, job: Job[S] | None, failure: Exception) -> str:
        error = f"{type(failure).__name__}: {failure}"
        last = isinstance(failure, Permanent) or job is None or message.attempt >= job.max_attempts
        async with self._house.database.transaction() as tx:
            if last or job is None:
                held = await self._store.bury(tx, message, error)
            else:
                delay = job.backoff.delay(message.attempt)
                due_at = failure.moment if isinstance(failure, RetryAt) else None
                held = await self._store.retry(tx, message, error, delay=delay, due_at=due_at)
            if held and job is not None and job.schedule is not None:
                due = datetime.fromisoformat(message.payload["due_at"])
                await self._store.runs.end(tx, message.kind, due, DEAD if last else FAILED, error)
        if not held:  # its effect was committed before it failed, or the lease was lost
            log.warning("%s %s failed after the message was handled", message.kind, message.id, exc_info=failure)
            return LOST
        metrics.job_failures.labels(message.kind).inc()
        expected = isinstance(failure, (Permanent, RetryAt, DomainError, TimeoutError, OSError))
        log.log(
            logging.ERROR if last else logging.WARNING,
            "%s %s failed: %s",
            message.kind,
            message.id,
            error,
            extra={"attempt": message.attempt, "dead": last},
            exc_info=None if expected else failure,
        )
        span = trace.get_current_span()
        telemetry.fail(span, type(failure).__name__, DEAD if last else FAILED)
        telemetry.record(span, failure)
        return DEAD if last else FAILED
