"""The relay: hands what is due in the outbox to Celery. Any number may run; each row goes to one of them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import psycopg

from chassis.database import Database
from chassis.errors import DomainError
from chassis.jobs import metrics
from chassis.jobs.broker import AWAY, Broker
from chassis.jobs.store import JobStore

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
"""How long a message waits at most for a relay when the bell was not heard."""
BATCH: Final = 200
WINDOW: Final = 500
"""How many messages may wait in a queue of Redis. The rest waits in PostgreSQL, so that what is handed out gets to a
worker before it would be handed out again."""
HANDED: Final = timedelta(seconds=30)
"""After so long without a worker a message is handed out again."""
_LONGEST_PAUSE_S: Final = 5.0
_TROUBLE: Final[tuple[type[Exception], ...]] = (DomainError, psycopg.Error, *AWAY)


class Relay:
    """Hands out what is due, woken by the bell of the outbox and once a second."""

    def __init__(self, database: Database, store: JobStore, broker: Broker) -> None:
        self._database = database
        self._store = store
        self._broker = broker
        self._heard = asyncio.Event()
        self.works = False
        """Whether PostgreSQL and Redis answered the last time."""

    def hear(self) -> None:
        """Look again soon."""
        self._heard.set()

    async def run(self) -> None:
        """Hand out until cancelled; while PostgreSQL or Redis is away, try again at growing intervals."""
        pause = 0.0
        while True:
            self._heard.clear()
            try:
                busy = await self.hand_out()
            except _TROUBLE as away:
                if self.works or not pause:
                    log.warning("nothing can be handed out: %s", away)
                self.works, pause = False, min(_LONGEST_PAUSE_S, pause * 2 or 0.1)
                await asyncio.sleep(pause)
                continue
            if not self.works:
                log.info("messages are handed out")
            self.works, pause = True, 0.0
            if not busy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._heard.wait()

    async def hand_out(self) -> bool:
        """Hand out one batch for each queue, and say whether there may be more at once."""
        if await self._broker.lost():
            async with self._database.transaction() as tx:
                count = await self._store.take_all_back(tx)
            if count:
                log.warning("Redis has lost its messages: %d are handed out again", count)
        depths = await self._broker.depths()
        for queue, depth in depths.items():
            if depth.unacked:
                await self._forget_abandoned(queue)
        full = [await self._hand_out_to(queue, WINDOW - depth.waiting) for queue, depth in depths.items()]
        return any(full)

    async def _forget_abandoned(self, queue: str) -> None:
        """Drop what Celery keeps for workers that were killed; it is handed out anew, and would count for an hour."""
        kept = await self._broker.unacknowledged(queue, HANDED.total_seconds())
        if not kept:
            return
        async with self._database.connection() as connection:
            held = await self._store.held(connection, list(kept.values()))
        if abandoned := [tag for tag, id_ in kept.items() if id_ not in held]:
            await self._broker.forget(queue, abandoned)

    async def _hand_out_to(self, queue: str, room: int) -> bool:
        limit = min(room, BATCH)
        if limit <= 0:
            return False
        async with self._database.transaction() as tx:
            batch = await self._store.hand_out(tx, self._broker.queues[queue], limit=limit, lease_for=HANDED)
        if not batch:
            return False
        metrics.batch_size.labels(queue).observe(len(batch))
        for message in batch:
            metrics.wait.labels(queue).observe(message.waited_s)
        unsent = {message.id for message in batch}
        try:
            await asyncio.to_thread(self._broker.send, queue, batch, sent=unsent.remove)
        finally:
            if unsent:
                async with self._database.transaction() as tx:
                    await self._store.take_back(tx, list(unsent))
        return len(batch) == limit


async def listen(url: str, channel: str, heard: Callable[[], None]) -> None:
    """Call `heard` at each notification on the channel, until cancelled; a lost connection is made again."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=3) as connection:
                await connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
                heard()  # what was committed before is not told again
                async for _ in connection.notifies():
                    heard()
        except psycopg.Error as lost:
            log.info("not listening, polling alone for a moment: %s", lost)
        await asyncio.sleep(POLL_S)
