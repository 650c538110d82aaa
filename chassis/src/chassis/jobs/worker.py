"""A worker process: Celery's consumers, the relay and the scheduler of one service, together or apart."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, NoReturn

import psycopg

from chassis import cancelling, memory, telemetry
from chassis.database import Database
from chassis.errors import DomainError
from chassis.jobs import metrics
from chassis.jobs.broker import AWAY, Broker
from chassis.jobs.celery_worker import QueueWorker
from chassis.jobs.consumer import Consumer
from chassis.jobs.outbox import channel
from chassis.jobs.relay import Relay, listen
from chassis.jobs.scheduler import Scheduler
from chassis.jobs.store import JobStore
from chassis.ops import OpsServer

if TYPE_CHECKING:
    from chassis.service import Service

log = logging.getLogger(__name__)

CONSUMER: Final = "consumer"
RELAY: Final = "relay"
SCHEDULER: Final = "scheduler"
PARTS: Final = (CONSUMER, RELAY, SCHEDULER)

DRAIN_S: Final = 20.0
"""How long running jobs may take to end after SIGTERM, before they give their messages back."""
_GIVE_BACK_S: Final = 5.0
_LOOK_S: Final = 1.0
_SETTLED_S: Final = 5.0
"""After this long a worker has connected to everything, and imports no more."""
_COUNT_EVERY: Final = 5
"""Looks from one count of the outbox to the next."""


class Worker:
    """One process of a service's workers; `parts` are what it does of CONSUMER, RELAY and SCHEDULER."""

    def __init__(self, service: "Service[Any]", settings: Any, parts: frozenset[str]) -> None:
        self.service = service
        self.stop = asyncio.Event()
        self._settings = settings
        self._database = Database.of(settings, f"{service.name}-worker")
        self._house = service.house(settings, self._database)
        self._store = JobStore(service.job_tables)
        jobs = service.all_jobs
        url = settings.redis_url.get_secret_value()
        self._broker = Broker(service.name, url, jobs, settings)
        self._consumer = Consumer(service.name, jobs, self._store, self._house)
        loop = asyncio.get_running_loop()
        self._queue_workers = [
            QueueWorker(app, self._broker.queues[queue], self._consumer.handle, loop)
            for queue, app in self._broker.apps.items()
            if CONSUMER in parts
        ]
        self._relay = Relay(self._database, self._store, self._broker) if RELAY in parts else None
        self._scheduler = Scheduler(jobs, self._store.runs, self._house) if SCHEDULER in parts else None
        self._up = {"database": False, "redis": False}
        self._status = 0

    def ready(self) -> dict[str, bool]:
        """Give the state of each thing that this process needs and does."""
        parts = dict(self._up)
        if self._queue_workers:
            parts[CONSUMER] = all(worker.connected for worker in self._queue_workers)
        if self._relay:
            parts[RELAY] = self._relay.works
        if self._scheduler:
            parts[SCHEDULER] = self._scheduler.works
        return parts

    async def run(self) -> int:
        """Work until `stop` is set or a part fails for good, and give the exit status.

        Raises:
            OSError: the operator's port is taken.
        """
        ops = OpsServer(self._settings.ops_listen, self.ready)
        await self._database.open()
        ops.start()
        for worker in self._queue_workers:
            worker.start()
        tasks = [asyncio.create_task(part) for part in self._parts()]
        log.info("%s works", self.service.name, extra={"ops_port": ops.port, "queues": list(self._broker.queues)})
        asyncio.get_running_loop().call_later(_SETTLED_S, memory.settle)
        stopped = asyncio.create_task(self.stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, *tasks):
            if task.done() and not task.cancelled() and (failure := task.exception()):
                log.critical("a part of the worker has failed", exc_info=failure)
                self._status = cancelling.EX_SOFTWARE
        log.info("%s drains", self.service.name)
        await self._drain()
        await cancelling.end(stopped, *tasks)
        ops.stop()
        await self._house.outbox.close()
        await self._broker.close()
        await self._database.close()
        telemetry.flush()
        return self._status

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        parts = [self._look()]
        if self._queue_workers:
            parts.append(self._consumer.renew())
        if self._relay:
            url = self._settings.database_url.get_secret_value()
            parts += [self._relay.run(), listen(url, channel(self.service.job_tables), self._relay.hear)]
        if self._scheduler:
            parts.append(self._scheduler.run())
        return parts

    async def _drain(self) -> None:
        """Take no more jobs; let those that run end, and after a while give their messages back."""
        stopping = [asyncio.create_task(asyncio.to_thread(worker.stop)) for worker in self._queue_workers]
        if not stopping:
            return
        _, late = await asyncio.wait(stopping, timeout=DRAIN_S)
        if late:
            for worker in self._queue_workers:
                worker.cancel()
            await asyncio.wait(late, timeout=_GIVE_BACK_S)
            # Threads hear at once that their jobs are cancelled; those give their messages back only then.
            await self._consumer.settled(_GIVE_BACK_S)

    async def _look(self) -> None:
        """Keep readiness and gauges true, and stop the process when a consumer is stuck."""
        looks = 0
        while True:
            try:
                await self._database.ping(_LOOK_S)
                if looks % _COUNT_EVERY == 0:
                    await self._count()
                self._up["database"] = True
            except (DomainError, psycopg.Error):  # a schema that is not there yet is like no database
                self._up["database"] = False
            try:
                depths = await self._broker.depths()
                self._up["redis"] = True
            except AWAY:
                self._up["redis"] = False
            else:
                for worker in () if self.stop.is_set() else self._queue_workers:
                    if not worker.alive or worker.stuck(depths[worker.queue].waiting):
                        log.critical("the consumer of %s takes nothing more; this process ends", worker.queue)
                        self._status = cancelling.EX_SOFTWARE
                        self.stop.set()
            self._database.observe()
            looks += 1
            await asyncio.sleep(_LOOK_S)

    async def _count(self) -> None:
        async with self._database.connection() as connection:
            counts = await self._store.count(connection)
        for state in ("waiting", "leased", "dead"):
            metrics.outbox_messages.labels(state).set(getattr(counts, state))
        metrics.outbox_oldest_age.set(counts.oldest_age_s)


async def _work(service: "Service[Any]", settings: Any, parts: frozenset[str]) -> NoReturn:
    worker = Worker(service, settings, parts)
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, worker.stop.set)
    try:
        status = await worker.run()
    except OSError as taken:
        log.critical("the worker of %s cannot start: %s", service.name, taken)
        status = 1
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # A thread of Celery's may still wait for Redis, which nothing but the end of the process can cut short; the end of
    # the event loop would wait for those that wait for it.
    os._exit(status)


def run(service: "Service[Any]", settings: Any, only: str | None) -> NoReturn:
    """Run a worker until SIGTERM, and exit."""
    asyncio.run(_work(service, settings, frozenset({only} if only else PARTS)))
    raise AssertionError("a worker ends with its process")
