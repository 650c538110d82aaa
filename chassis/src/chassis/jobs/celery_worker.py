"""Celery's worker for one queue, inside a thread; the jobs themselves run on the process's one event loop."""

import asyncio
import concurrent.futures
import logging
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final
from uuid import UUID

from celery import Celery
from celery.bootsteps import RUN
from celery.concurrency.thread import TaskPool
from celery.exceptions import CPendingDeprecationWarning, WorkerShutdown
from celery.worker.consumer import Consumer

log = logging.getLogger(__name__)

STUCK_S: Final = 40.0
"""How long a worker with a free thread may leave messages lying in a queue of a Redis that answers; Celery pauses for
up to 30 s between two attempts to connect."""
_WAIT_S: Final = 1.0
_STOP_POLL_S: Final = 0.1

Handle = Callable[[UUID, str | None], Coroutine[Any, Any, str | None]]


class ThreadPool(TaskPool):  # type: ignore[misc] # it has no annotations
    """Celery's pool of threads, which tells when a thread has come free, and knows its app among several."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.freed = threading.Event()
        self.running: set[concurrent.futures.Future[Any]] = set()

    def on_apply(self, target: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """Run `target`, Celery's tracer, which would look for the one app of its process."""
        result = super().on_apply(target, args, {**(kwargs or {}), "app": self.app}, **options)
        self.running.add(result.f)
        result.f.add_done_callback(self._done)
        return result

    def _done(self, future: concurrent.futures.Future[Any]) -> None:
        """Note that a thread is free; by then its message is acknowledged, if Redis could be told."""
        self.running.discard(future)
        self.freed.set()


class QueueConsumer(Consumer):  # type: ignore[misc] # it has no annotations
    """Celery's consumer with a loop for threads.

    Celery's own loops learn that a thread has come free only after their wait for Redis, a second or two, unless they
    may take more messages than there are threads. The end of a lost connection reaches a plain wait for sure, too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.ending = False
        super().__init__(*args, **kwargs)

    def loop(self, _: Any, connection: Any, tasks: Any, blueprint: Any, __: Any, qos: Any, *___: Any) -> None:
        """Take messages while there are threads for them, until the connection is lost or `ending` is set."""
        tasks.on_message = self.create_task_handler()
        tasks.consume()
        self.on_ready()
        while blueprint.state == RUN and self.connection:
            if self.ending:
                raise WorkerShutdown(0)
            self.perform_pending_operations()
            if qos.prev != qos.value:
                qos.update()
            self.pool.freed.clear()
            free = tasks.channel.qos.can_consume_max_estimate()
            if tasks.channel.qos.prefetch_count - free > len(self.pool.running):
                # Celery would go on with a thread less for each of them, and without any take nothing more.
                raise ConnectionError("Redis could not be told that messages are handled")
            if not free:
                self.pool.freed.wait(_WAIT_S)
                continue
            try:
                connection.drain_events(timeout=_WAIT_S)
            except TimeoutError:
                continue


class QueueWorker:
    """Takes the messages of one queue, and runs `handle` for each on `loop`, at most as many at once as it has threads.

    A message is acknowledged whatever became of its job: what is to be done again is known to PostgreSQL.
    """

    def __init__(self, app: Celery, kinds: Iterable[str], handle: Handle, loop: asyncio.AbstractEventLoop) -> None:
        self.queue: str = app.main
        self._app = app
        self._handle = handle
        self._loop = loop
        self._futures: set[concurrent.futures.Future[str | None]] = set()
        self._idle_since = time.monotonic()
        for kind in kinds:
            app.task(self._run, name=kind, shared=False)
        for chatty in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(chatty).setLevel(logging.WARNING)  # what a job did is logged by its consumer
        # A lost acknowledgement would be a critical error with a traceback; to us it is a lost connection.
        logging.getLogger("celery.worker.request").setLevel(logging.CRITICAL + 1)
        # Celery warns at each lost connection that a default of its will change.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        self._controller = app.WorkController(
            use_eventloop=False,
            pool_cls=ThreadPool,
            consumer_cls=QueueConsumer,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self._thread = threading.Thread(target=self._controller.start, name=self.queue, daemon=True)

    def start(self) -> None:
        """Begin to take messages; while Redis is away, try to reach it."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether it has a connection to Redis and can take messages."""
        consumer = getattr(self._controller, "consumer", None)
        connection = getattr(consumer, "connection", None)
        return self._thread.is_alive() and connection is not None and bool(connection.connected)

    @property
    def alive(self) -> bool:
        """Whether its thread runs; one that has ended by itself does not come back."""
        return self._thread.is_alive()

    def stuck(self, waiting: int) -> bool:
        """Say whether it takes nothing although it could; `waiting` is how many messages lie in the queue right now."""
        if not waiting or len(self._futures) >= self._app.conf.worker_concurrency:
            self._idle_since = time.monotonic()
        return time.monotonic() - self._idle_since > STUCK_S

    def stop(self) -> None:
        """Take nothing more, and return when the jobs that run have ended."""
        self._controller.consumer.ending = True
        while self._thread.is_alive() and (self.connected or self._futures):
            self._thread.join(_STOP_POLL_S)

    def cancel(self) -> None:
        """Have the jobs that run give their messages back."""
        for future in tuple(self._futures):
            future.cancel()

    def _run(self, id_: str, sender: str | None = None) -> None:
        self._idle_since = time.monotonic()
        future = asyncio.run_coroutine_threadsafe(self._handle(UUID(id_), sender), self._loop)
        self._futures.add(future)
        try:
            future.result()
        except concurrent.futures.CancelledError:
            log.info("%s was stopped", id_)
        except Exception:
            log.exception("%s could not be handled, and will be handed out again", id_)
        finally:
            self._futures.discard(future)
