"""Celery on Redis as transport: the names in Redis, the app of each queue, and what is read back from Redis."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import redis.asyncio as redis
from celery import Celery
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis import telemetry
from chassis.jobs import metrics
from chassis.jobs.declaration import Job
from chassis.jobs.queues import QUEUES, UNACKED
from chassis.jobs.queues import depth as depth_metric
from chassis.jobs.store import Handed
from chassis.settings import ServiceSettings
from chassis.telemetry import propagator, tracer

_SINCE: Final = f"{UNACKED}.index"

AWAY: Final[tuple[type[Exception], ...]] = (RedisError, OperationalError, OSError)
"""What is raised while Redis does not answer."""

_VISIBILITY_S: Final = 3_600.0
_TIMEOUT_S: Final = 5.0


def celery_app(queue: str, url: str, longest_s: float, concurrency: int) -> Celery:
    """Give the Celery app of one queue.

    Its settings make Celery a plain transport: what runs again, and when, is decided in PostgreSQL. There is an app per
    queue so that each queue has its own prefetch and its own threads, and slow jobs never take those of the quick.
    """
    app = Celery(queue, broker=url, set_as_current=False)
    app.conf.update(
        task_queues=[Queue(queue)],  # type: ignore[no-untyped-call] # it has no annotations
        task_default_queue=queue,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=concurrency,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            # Longer than the longest job, or Celery would give it to a second worker meanwhile.
            "visibility_timeout": max(_VISIBILITY_S, 2 * longest_s),
            "unacked_key": queue + UNACKED,
            "unacked_index_key": queue + _SINCE,
            "unacked_mutex_key": f"{queue}{UNACKED}.mutex",
            "socket_connect_timeout": _TIMEOUT_S,
            "socket_timeout": _TIMEOUT_S * 2,
            "socket_keepalive": True,
        },
    )
    return app


@dataclass(frozen=True)
class Depth:
    """How many messages of a queue wait in Redis, and how many are with workers."""

    waiting: int
    unacked: int


class Broker:
    """The queues of one service in Redis."""

    def __init__(self, service: str, url: str, jobs: Iterable[Job[Any]], settings: ServiceSettings) -> None:
        self.jobs: Mapping[str, Job[Any]] = {job.kind: job for job in jobs}
        self.queues: dict[str, list[str]] = {}
        threads: dict[str, int] = {}
        for job in self.jobs.values():
            queue = f"{service}.{job.queue.name}"
            self.queues.setdefault(queue, []).append(job.kind)
            threads[queue] = job.queue.threads(settings)
        self.apps = {
            queue: celery_app(queue, url, max(self.jobs[kind].timeout_s for kind in kinds), threads[queue])
            for queue, kinds in self.queues.items()
        }
        self._server = telemetry.address(urlsplit(url).netloc.rpartition("@")[2])
        self._marker = f"neoforge:{service}:broker"
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # the first command after Redis was restarted meets the old connection
        )

    async def depths(self) -> dict[str, Depth]:
        """Give the depth of each queue, and write it to the metrics.

        Raises:
            RedisError: Redis does not answer.
        """
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zadd(QUEUES, dict.fromkeys(self.queues, time.time()))
            for queue in self.queues:
                pipeline.llen(queue)
                pipeline.hlen(queue + UNACKED)
            _, *counts = await pipeline.execute()
        depths = dict(zip(self.queues, map(Depth, counts[::2], counts[1::2]), strict=True))
        for queue, depth in depths.items():
            depth_metric.labels(queue).set(depth.waiting + depth.unacked)
        return depths

    async def lost(self) -> bool:
        """Say whether Redis has lost what it held since a relay last asked.

        That is so when the marker in it is gone (flushed, or restarted without its data) or names another run of the
        server (restarted, perhaps without its last second). Of several relays one is told.

        Raises:
            RedisError: Redis does not answer.
        """
        run: str = (await self._redis.info("server"))["run_id"]
        return bool(await self._redis.set(self._marker, run, get=True) != run.encode())

    async def unacknowledged(self, queue: str, for_s: float) -> dict[bytes, UUID]:
        """Give the messages that have been with workers for longer than this, by Celery's tag of their delivery.

        Raises:
            RedisError: Redis does not answer.
        """
        tags: list[Any] = await self._redis.zrange(queue + _SINCE, "-inf", str(time.time() - for_s), byscore=True)
        if not tags:
            return {}
        bodies: list[Any] = await self._redis.hmget(queue + UNACKED, tags)
        # Kombu's form: the message, its exchange, its routing key.
        return {tag: UUID(json.loads(body)[0]["headers"]["id"]) for tag, body in zip(tags, bodies, strict=True) if body}

    async def forget(self, queue: str, tags: Sequence[bytes]) -> None:
        """Drop messages whose worker is gone."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(queue + _SINCE, *tags)
            pipeline.hdel(queue + UNACKED, *tags)
            await pipeline.execute()

    def send(self, queue: str, batch: Sequence[Handed], *, sent: Callable[[UUID], None]) -> None:
        """Give a batch to Celery, calling `sent` with each id after it; blocks, so it runs in a thread.

        Raises:
            AWAY: Redis does not answer; those after the last `sent` were not given.
        """
        app = self.apps[queue]
        with app.producer_pool.acquire(block=True) as producer:
            for message in batch:
                with tracer.start_as_current_span(
                    f"send {queue}",
                    context=propagator.extract({"traceparent": message.traceparent} if message.traceparent else {}),
                    kind=SpanKind.PRODUCER,
                    attributes={
                        "messaging.system": "celery",
                        "messaging.operation.name": "send",
                        "messaging.operation.type": "send",
                        "messaging.destination.name": queue,
                        "messaging.message.id": str(message.id),
                        "neoforge.job.kind": message.kind,
                        **self._server,
                    },
                ):
                    carrier: dict[str, str] = {}
                    propagator.inject(carrier)
                    app.send_task(
                        message.kind,
                        args=(str(message.id), carrier.get("traceparent")),
                        task_id=str(message.id),
                        queue=queue,
                        producer=producer,
                        retry=False,
                        ignore_result=True,
                    )
                metrics.handed_out.labels(message.kind).inc()
                sent(message.id)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        for app in self.apps.values():
            app.close()
